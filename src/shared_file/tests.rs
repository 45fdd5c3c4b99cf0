use super::*;

mod compatibility;
mod properties;
mod reading;
mod splicing;

/// Returns an update with recognizable values.
fn update<'a>(profile: &'a str) -> SectionUpdate<'a> {
    SectionUpdate::new(profile, "ASIANEW", "secret/NEW+1=", "token/NEW==", "2026-11-21T10:00:00Z")
        .expect("a valid update")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
