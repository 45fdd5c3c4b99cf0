//! A terminal that shows the output of a command.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// The output that a terminal has received.
pub(crate) struct Screen {
    output: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Screen {
    /// Opens a terminal of this size, and returns it with the end for the command.
    pub(crate) fn open(columns: u16, rows: u16) -> (Self, OwnedFd) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let command = OpenOptions::new().read(true).write(true).open(name).expect("the other end");
        let output = Arc::new(Mutex::new(String::new()));
        let reader = thread::spawn({
            let output = Arc::clone(&output);
            move || {
                let mut bytes = [0; 4096];
                let mut master = File::from(master);
                let mut unread = Vec::new();
                // The read fails when the command has closed its end.
                while let Ok(count @ 1..) = master.read(&mut bytes) {
                    unread.extend(&bytes[..count]);
                    let valid = std::str::from_utf8(&unread).map_or_else(|error| error.valid_up_to(), str::len);
                    let text: Vec<u8> = unread.drain(..valid).collect();
                    output.lock().expect("unpoisoned").push_str(&String::from_utf8(text).expect("UTF-8"));
                }
            }
        });
        (Self { output, reader }, command.into())
    }

    /// Returns the output so far, with the line breaks of a file.
    pub(crate) fn text(&self) -> String {
        self.output.lock().expect("unpoisoned").replace('\r', "")
    }

    /// Waits until the command has closed its end, and returns its output.
    pub(crate) fn end(self) -> String {
        let Self { output, reader } = self;
        reader.join().expect("read to the end");
        output.lock().expect("unpoisoned").replace('\r', "")
    }
}

/// Removes colors from the output of a command.
pub(crate) fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').expect("only colors").1)
}
