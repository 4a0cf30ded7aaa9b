//! The same request again and again, for a profiler: `repeat NAME TIMES`.

use cloakroom_bench::ours;
use cloakroom_bench::session::{Op, Size};

fn main() {
    let mut words = std::env::args().skip(1);
    let (name, times) = (words.next().expect("a name"), words.next().expect("how often"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build();
    let runtime = runtime.expect("a runtime");
    let _inside = runtime.enter();
    let (sessions, size, op) = match name.as_str() {
        "untouched" => (ours::memory(), Some(Size::Small), Op::Leave),
        "read" => (ours::memory(), Some(Size::Small), Op::Read),
        "write" => (ours::memory(), Some(Size::Small), Op::Write),
        "create" => (ours::memory(), None, Op::Write),
        "signed-read" => (ours::signed(), Some(Size::Kilobyte), Op::Read),
        "signed-write" => (ours::signed(), Some(Size::Kilobyte), Op::Write),
        _ => panic!("no such request: {name}"),
    };
    let cookie = size.map(|size| ours::begin(&sessions, size));
    let mut request = ours::handling(&sessions, cookie.as_ref(), op);
    (0..times.parse().expect("a number")).for_each(|_| request());
}
