//! Presents the results as Markdown tables and as plots.

use std::fmt::Write as _;

use crate::{
    plot::{Line, Plot, Series, grouped},
    results::{DRAWN_OUTAGE, Event, HOUR, OUTAGE, Results},
    scenario::{Policy, Report},
};

impl Results<'_> {
    /// Returns the results as Markdown.
    pub fn tables(&self) -> String {
        let scale = &self.world.scale;
        let pods = grouped(scale.pods as u64);
        let names = Policy::ALL.map(Policy::name);
        let mut text = format!(
            "All pods start together: seconds until all are ready, and throttled calls.\n\n\
             | pods | STS needs | {} |\n| ---: | ---: | ---: | ---: | ---: | ---: |\n",
            names.join(" | ")
        );
        for (pods, reports) in &self.storms {
            let cells = reports.each_ref().map(|report| {
                let ready = report.ready().map_or("more than 1 h".to_owned(), |ready| format!("{ready:.1} s"));
                format!("{ready}, {}", grouped(report.totals(0, u64::MAX)[1]))
            });
            let _ =
                writeln!(text, "| {} | {:.1} s | {} |", grouped(*pods as u64), scale.floor(*pods), cells.join(" | "));
        }
        let _ = write!(
            text,
            "\nCalls a minute between three and four hours after {pods} pods started together.\n\n\
             | client | average | highest |\n| --- | ---: | ---: |\n"
        );
        for (name, report) in names.iter().zip(&self.waves) {
            let (peak, mean) = report.wave();
            let _ = writeln!(text, "| {name} | {mean:.0} | {} |", grouped(peak as u64));
        }
        let _ = write!(
            text,
            "\nEvents in a fleet of {pods} pods. The calls are those from the event until an hour after its end.\n\n\
             | event | client | pods that lost their credentials | all pods have credentials after | STS needs \
             | calls | throttled | highest number a second |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        );
        let mut previous = "";
        for event in &self.events {
            let Event { name, policy, lost, recovery, calls, throttled, peak } = event;
            let [ready, floor] = recovery.map_or(["–".to_owned(), "–".to_owned()], |(ready, floor)| {
                [ready, floor].map(|time| format!("{time:.1} s"))
            });
            let shown = if name == previous { "" } else { name };
            let [lost, calls, throttled, peak] = [*lost as u64, *calls, *throttled, *peak].map(grouped);
            let policy = policy.name();
            let _ =
                writeln!(text, "| {shown} | {policy} | {lost} | {ready} | {floor} | {calls} | {throttled} | {peak} |");
            previous = name;
        }
        text
    }

    /// Returns the plots with the names of their files.
    pub fn plots(&self) -> [(&'static str, Plot); 4] {
        let scale = &self.world.scale;
        let pods = grouped(scale.pods as u64);
        let storm = self.storms.iter().find(|(pods, _)| *pods == scale.pods).map_or(&[][..], |(_, reports)| reports);
        let percent = |ready: usize| ready as f64 * 100.0 / scale.pods as f64;
        let fastest = (0..=4 * 90).map(|quarter| (f64::from(quarter) / 4.0 + 1.0) * scale.rate);
        let fastest = fastest.map(|ready| percent(scale.pods.min(ready as usize))).collect();
        let mut ready = series(storm, |report| report.ready_over_time(90).into_iter().map(percent).collect());
        ready.push(Series { name: "as fast as STS allows", values: fastest, line: Line::Dashed });
        let count = |calls: u64| calls as f64;
        [
            (
                "ready",
                Plot {
                    title: format!("Ready pods of {pods} that start together"),
                    time: "time since the start (seconds)",
                    range: [0.0, 90.0],
                    values: "ready pods (%)",
                    series: ready,
                },
            ),
            (
                "storm",
                Plot {
                    title: format!("Calls of {pods} pods that start together, after the first second"),
                    time: "time since the start (seconds)",
                    range: [1.0, 90.0],
                    values: "calls a second, throttled ones included",
                    series: series(storm, |report| report.calls_over_time(1, 91, 1).into_iter().map(count).collect()),
                },
            ),
            (
                "waves",
                Plot {
                    title: format!("Calls of {pods} pods that started together, after the first ten minutes"),
                    time: "time since the start (minutes)",
                    range: [10.0, 239.0],
                    values: "calls a minute",
                    series: series(&self.waves, |report| {
                        report.calls_over_time(600, 4 * HOUR, 60).into_iter().map(count).collect()
                    }),
                },
            ),
            (
                "outage",
                Plot {
                    title: format!("Pods of {pods} without credentials while STS fails for {DRAWN_OUTAGE} minutes"),
                    time: "time since the start of the outage (minutes)",
                    range: [0.0, 45.0],
                    values: "pods without credentials (%)",
                    series: series(&self.outages, |report| {
                        report.lost_over_time(OUTAGE, OUTAGE + 45 * 60, 10).into_iter().map(percent).collect()
                    }),
                },
            ),
        ]
    }
}

fn series(reports: &[Report], values: impl Fn(&Report) -> Vec<f64>) -> Vec<Series> {
    let series = |(policy, report): (Policy, &Report)| Series {
        name: policy.name(),
        values: values(report),
        line: if policy == Policy::EksAgent { Line::Wide } else { Line::Thin },
    };
    Policy::ALL.into_iter().zip(reports).map(series).collect()
}
