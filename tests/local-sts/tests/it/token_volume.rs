use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use local_sts::TokenVolume;

/// Reads a file as a reader of projected volumes must: tries once again after "not found", which can occur during an
/// update.
fn read(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => fs::read_to_string(path),
        _ => Err(error),
    })
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("directory entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn layout_is_that_of_the_kubelet() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("missing/directories");
    let volume = TokenVolume::create(&root).expect("volume");
    assert!(read(&volume.token_file()).is_err(), "no token yet");
    for token in ["first", "second"] {
        volume.write(token).expect("file written");
        assert_eq!(read(&volume.token_file()).expect("token file"), token, "and no newline");
        let names = names(&root);
        let [timestamped, data, link] = names.as_slice() else { panic!("{names:?}") };
        // `..2026_…` sorts before `..data`.
        assert!(timestamped.starts_with("..2") && data == "..data" && link == "token", "{names:?}");
        assert_eq!(timestamped.len(), "..2026_11_22_00_10_33.1234567890".len(), "{timestamped}");
        assert_eq!(fs::read_link(root.join("..data")).expect("symbolic link"), Path::new(timestamped));
        assert_eq!(fs::read_link(root.join("token")).expect("symbolic link"), Path::new("..data/token"));
    }
}

#[test]
fn mode_applies_from_the_next_write() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volume = TokenVolume::create(directory.path()).expect("volume");
    let mode = || fs::metadata(volume.token_file()).expect("file").permissions().mode() & 0o777;
    volume.write("token").expect("file written");
    assert_eq!(mode(), 0o644);
    volume.set_mode(0o400);
    assert_eq!(mode(), 0o644);
    volume.write("token").expect("file written");
    assert_eq!(mode(), 0o400);
}

#[test]
fn reader_always_sees_a_complete_token() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volume = TokenVolume::create(directory.path()).expect("volume");
    let token = |number: usize| format!("{number:04}").repeat(300);
    volume.write(&token(0)).expect("file written");
    let done = AtomicBool::new(false);
    let (reads, tokens) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut reads, mut tokens, mut last) = (0, 0, String::new());
            while !done.load(Ordering::SeqCst) {
                let text = read(&volume.token_file()).expect("token file");
                assert_eq!(text.len(), 1200, "the token is complete");
                assert_eq!(text, text[..4].repeat(300), "the text is from one token");
                assert!(text >= last, "the token is not older than the one before");
                if text != last {
                    tokens += 1;
                }
                last = text;
                reads += 1;
            }
            (reads, tokens)
        });
        for number in 1..=300 {
            volume.write(&token(number)).expect("file written");
            std::thread::sleep(Duration::from_millis(1));
        }
        done.store(true, Ordering::SeqCst);
        reader.join().expect("no panic")
    });
    assert!(reads > 100 && tokens > 10, "{reads} reads of {tokens} tokens");
}
