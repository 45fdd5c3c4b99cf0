//! Converts OpenMetrics to the older
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), for clients that do not know
//! OpenMetrics.
//!
//! In the text format, the name of a family is that of its samples, an info is a gauge, and units and the end have no lines.

/// Returns the metrics of an OpenMetrics text in the text format.
pub(super) fn from_open_metrics(text: &str) -> String {
    let mut converted = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let described = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '));
        if let Some((name, help)) = described {
            // The type follows the help.
            let kind = lines.next_if(|next| next.starts_with("# TYPE ")).and_then(|next| next.rsplit(' ').next());
            let (suffix, kind) = match kind.unwrap_or("untyped") {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            converted += &format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n");
        } else if !line.starts_with('#') {
            converted += line;
            converted.push('\n');
        }
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_get_the_names_of_their_samples() {
        let open_metrics = "# HELP a_build Version.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n\
                            # HELP a_runs Runs.\n# TYPE a_runs counter\na_runs_total 1\n\
                            # HELP a_end_seconds End.\n# TYPE a_end_seconds gauge\n# UNIT a_end_seconds seconds\n\
                            a_end_seconds{profile=\"# EOF\"} 3\n# EOF\n";
        let text = "# HELP a_build_info Version.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n\
                    # HELP a_runs_total Runs.\n# TYPE a_runs_total counter\na_runs_total 1\n\
                    # HELP a_end_seconds End.\n# TYPE a_end_seconds gauge\na_end_seconds{profile=\"# EOF\"} 3\n";
        assert_eq!(from_open_metrics(open_metrics), text);
    }
}
