//! A request's body of which the beginning was read ahead, and which the handler gets as if nobody had looked.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use super::form::{Scan, Scanner};

/// A request's body as it came, whatever of it a [`CsrfLayer`](crate::CsrfLayer) has looked at.
#[derive(Debug)]
pub struct Replay<B: Body> {
    ahead: VecDeque<Frame<Bytes>>,
    /// How reading ahead ended, if not well.
    failed: Option<B::Error>,
    rest: B,
}

/// What reading ahead has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    Found(Vec<u8>),
    Absent,
    /// Not in as many bytes as may be read ahead.
    TooLate,
}

impl<B: Body + Unpin> Replay<B> {
    pub(super) const fn new(rest: B) -> Self {
        Self { ahead: VecDeque::new(), failed: None, rest }
    }

    /// Reads until the scanner knows, or `limit` bytes were looked at. So much is gathered, however small its pieces.
    pub(super) async fn look_for(&mut self, mut scanner: Scanner, limit: usize) -> Ahead {
        let (mut left, mut after) = (limit, Vec::new());
        let found = loop {
            let frame = poll_fn(|context| Pin::new(&mut self.rest).poll_frame(context)).await;
            let frame = match frame {
                None => break scanner.finish().map_or(Ahead::Absent, Ahead::Found),
                Some(Ok(frame)) => frame.map_data(to_bytes),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break Ahead::Absent;
                }
            };
            let mut bytes = match frame.into_data() {
                Ok(bytes) => bytes,
                Err(trailers) => {
                    after.push(trailers);
                    continue;
                }
            };
            let beyond = bytes.split_off(bytes.len().min(left));
            if !beyond.is_empty() {
                after.push(Frame::data(beyond));
            }
            left -= bytes.len();
            match scanner.push(&bytes) {
                Scan::Found(value) => break Ahead::Found(value),
                Scan::Absent => break Ahead::Absent,
                Scan::Open if left == 0 => break Ahead::TooLate,
                Scan::Open => {}
            }
        };
        let seen = scanner.into_seen();
        self.ahead.extend((!seen.is_empty()).then(|| Frame::data(seen)));
        self.ahead.extend(after);
        found
    }
}

fn to_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

// Nothing in it is pinned: the body is only read where it may be moved.
impl<B: Body + Unpin> Unpin for Replay<B> {}

impl<B: Body + Unpin> Body for Replay<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if let Some(frame) = this.ahead.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(error) = this.failed.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = Pin::new(&mut this.rest).poll_frame(context);
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(to_bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_empty() && self.failed.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead: usize = self.ahead.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let (ahead, rest) = (ahead as u64, self.rest.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            hint.set_upper(upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csrf::guard::form::Encoding;

    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
        }
    }

    #[tokio::test]
    async fn s55_a_form_in_a_thousand_pieces_takes_no_more_room_than_in_one() {
        let pieces = std::iter::repeat_n(Bytes::from_static(b"a"), 1000);
        let mut body = Replay::new(Pieces(pieces.collect()));
        let scanner = Scanner::new(Encoding::UrlEncoded, "f");
        assert_eq!(body.look_for(scanner, 900).await, Ahead::TooLate);
        let read: Vec<usize> = body.ahead.iter().map(|it| it.data_ref().unwrap().len()).collect();
        assert_eq!((read, body.size_hint().exact()), (vec![900], Some(1000)));
    }

    #[tokio::test]
    async fn what_was_read_ahead_still_counts_as_part_of_the_body() {
        let pieces = ["a=1&f=", "2", "&b=3"].map(|piece| Bytes::from_static(piece.as_bytes()));
        let mut body = Replay::new(Pieces(pieces.into()));
        let scanner = Scanner::new(Encoding::UrlEncoded, "f");
        assert_eq!(body.look_for(scanner, 100).await, Ahead::Found(b"2".to_vec()));
        assert!(body.rest.is_end_stream() && !body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(11));
    }
}
