//! Line plots as SVG, with the colors of a light or a dark page.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 560.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 260.0;

const STYLE: &str = "\
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .axis { stroke: #8c959f; stroke-width: 1; fill: none }
  polyline { fill: none; stroke-width: 1.5 }
  .s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } .s2 { stroke: #8250df } .s3 { stroke: #8c959f; stroke-dasharray: 4 3 }
  text.s0 { fill: #0969da; stroke: none } text.s1 { fill: #bc4c00; stroke: none }
  text.s2 { fill: #8250df; stroke: none } text.s3 { fill: #6e7781; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } .s2 { stroke: #bc8cff }
    text.s0 { fill: #58a6ff } text.s1 { fill: #f0883e } text.s2 { fill: #bc8cff } text.s3 { fill: #8c959f }
  }";

/// A plot of several series over the same time, from zero on.
pub struct Plot {
    pub title: &'static str,
    /// Unit of the values.
    pub unit: &'static str,
    /// Label of the end of the time.
    pub end: &'static str,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: &'static str,
    pub values: Vec<f64>,
}

impl Plot {
    pub fn svg(&self) -> String {
        let Self { title, unit, end, series } = self;
        let highest = series.iter().flat_map(|series| &series.values).copied().fold(1.0, f64::max);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 300\" role=\"img\" aria-label=\"{title}\">\n\
             <title>{title}</title>\n<style>\n{STYLE}\n</style>\n\
             <text x=\"{LEFT}\" y=\"18\">{title}</text>\n\
             <path class=\"axis\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
             <text x=\"50\" y=\"{}\" text-anchor=\"end\">{highest:.0}{unit}</text>\n\
             <text x=\"50\" y=\"{BOTTOM}\" text-anchor=\"end\">0</text>\n\
             <text x=\"{RIGHT}\" y=\"278\" text-anchor=\"middle\">{end}</text>\n",
            TOP + 4.0,
        );
        for (index, Series { name, values }) in series.iter().enumerate() {
            let last = values.len().saturating_sub(1).max(1) as f64;
            let point = |(at, value): (usize, &f64)| {
                let x = LEFT + (RIGHT - LEFT) * at as f64 / last;
                let y = BOTTOM - (BOTTOM - TOP) * value / highest;
                format!("{x:.1},{y:.1}")
            };
            let points: Vec<String> = values.iter().enumerate().map(point).collect();
            let _ =
                writeln!(svg, "<polyline class=\"s{index}\" points=\"{}\"/>", without_repetitions(&points).join(" "));
            let y = TOP + 8.0 + 18.0 * index as f64;
            let _ = writeln!(svg, "<text class=\"s{index}\" x=\"{}\" y=\"{y}\">{name}</text>", RIGHT + 14.0);
        }
        svg + "</svg>\n"
    }
}

/// Leaves out points between two of the same height.
fn without_repetitions(points: &[String]) -> Vec<&str> {
    let height = |index: usize| points.get(index).and_then(|point: &String| point.split_once(',')).map(|(_, y)| y);
    let is_needed =
        |index: &usize| *index == 0 || height(*index) != height(index - 1) || height(*index) != height(index + 1);
    (0..points.len()).filter(is_needed).map(|index| points[index].as_str()).collect()
}
