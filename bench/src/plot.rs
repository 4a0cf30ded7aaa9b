//! A plot of several lines with logarithmic axes, and the figures it shows beside it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use plotters::prelude::*;

/// One line of a plot.
pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// Several lines over the same range.
pub struct Plot {
    /// The files' name, without their ends.
    pub name: &'static str,
    pub title: &'static str,
    pub across: &'static str,
    pub up: &'static str,
    pub lines: Vec<Line>,
}

impl Plot {
    /// Writes `NAME.svg` and `NAME.csv` into a folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("a folder");
        fs::write(folder.join(format!("{}.csv", self.name)), self.csv()).expect("written");
        self.draw(&folder.join(format!("{}.svg", self.name))).expect("drawn");
    }

    /// One row for each point across.
    #[must_use]
    pub fn csv(&self) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name).collect();
        let mut text = format!("{},{}\n", self.across, names.join(","));
        for (at, (across, _)) in self.lines[0].points.iter().enumerate() {
            let cells = self.lines.iter().map(|line| match line.points.get(at) {
                Some((_, up)) => format!("{up:.0}"),
                None => String::new(),
            });
            let _ = writeln!(text, "{across:.0},{}", cells.collect::<Vec<_>>().join(","));
        }
        text
    }

    fn draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let range = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).fold(f64::INFINITY, f64::min).max(1.0);
            let most = points().map(of).fold(0.0, f64::max);
            (least / 1.3..most * 1.3).log_scale()
        };
        let area = SVGBackend::new(path, (720, 420)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
        chart.configure_mesh().x_desc(self.across).y_desc(self.up).draw()?;
        for (at, line) in self.lines.iter().enumerate() {
            let color = Palette99::pick(at).to_rgba();
            let points = line.points.iter().copied();
            let series = chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
            series.label(line.name).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2))
            });
        }
        let mut labels = chart.configure_series_labels();
        labels.background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
        area.present()?;
        Ok(())
    }
}
