use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_sts::TokenVolume;

/// What a reader of projected volumes does: "not found" between two looks is tried again, once and at once.
fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => fs::read_to_string(path),
        _ => Err(error),
    })
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_layout_is_the_kubelets() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("made/if/absent");
    let volume = TokenVolume::create(&root).expect("a volume");
    assert!(read(&volume.token_file()).is_err(), "no token yet");
    for token in ["first", "second"] {
        volume.write(token).expect("written");
        assert_eq!(read(&volume.token_file()).expect("readable"), token, "and no newline");
        let names = names(&root);
        let [timestamped, data, link] = names.as_slice() else { panic!("{names:?}") };
        // `..2026_…` sorts before `..data`.
        assert!(timestamped.starts_with("..2") && data == "..data" && link == "token", "{names:?}");
        assert_eq!(timestamped.len(), "..2026_11_22_00_10_33.1234567890".len(), "{timestamped}");
        assert_eq!(fs::read_link(root.join("..data")).expect("a link"), Path::new(timestamped));
        assert_eq!(fs::read_link(root.join("token")).expect("a link"), Path::new("..data/token"));
    }
}

#[test]
fn modes_count_from_the_next_write_on() {
    let directory = tempfile::tempdir().expect("a directory");
    let volume = TokenVolume::create(directory.path()).expect("a volume");
    let mode = || fs::metadata(volume.token_file()).expect("a file").permissions().mode() & 0o777;
    volume.write("token").expect("written");
    assert_eq!(mode(), 0o644);
    volume.set_mode(0o400);
    assert_eq!(mode(), 0o644);
    volume.write("token").expect("written");
    assert_eq!(mode(), 0o400);
}

#[test]
fn a_reader_never_fails_while_tokens_are_swapped() {
    let directory = tempfile::tempdir().expect("a directory");
    let volume = TokenVolume::create(directory.path()).expect("a volume");
    let token = |number: usize| format!("{number:04}").repeat(300);
    volume.write(&token(0)).expect("written");
    let done = AtomicBool::new(false);
    let (reads, seen) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut seen, mut last) = (0, 0, String::new());
            while !done.load(Ordering::SeqCst) {
                let text = read(&volume.token_file()).expect("readable at any time");
                assert_eq!(text.len(), 1200, "whole");
                assert_eq!(text, text[..4].repeat(300), "one token, not two");
                assert!(text >= last, "never an older one");
                if text != last {
                    seen += 1;
                }
                last = text;
                reads += 1;
            }
            (reads, seen)
        });
        for number in 1..=300 {
            volume.write(&token(number)).expect("written");
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Ordering::SeqCst);
        reader.join().expect("no panic")
    });
    assert!(reads > 100 && seen > 10, "{reads} reads of {seen} tokens");
}
