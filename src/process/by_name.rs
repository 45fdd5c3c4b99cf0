//! Finds processes by the name of their executable, among those that this process sees in `/proc`: its own container's, and with
//! `shareProcessNamespace` all of the pod.

use std::{ffi::OsString, fs, io, os::unix::ffi::OsStringExt as _};

use rustix::process::{Pid, getpid};

/// Maximum length of a name in `/proc/PID/comm`, in bytes.
const MAX_COMM_LENGTH: usize = 15;

/// Returns the processes, other than this one, whose executable has the file name `name`.
pub(crate) fn processes_named(name: &str) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    ids.filter(|pid| *pid != getpid() && has_name(*pid, name)).collect()
}

/// Returns true if the executable of the process has the file name `name`.
pub(crate) fn has_name(pid: Pid, name: &str) -> bool {
    match executable_name(pid) {
        Name::Executable(executable) => executable == name,
        Name::Comm(comm) => comm == name.as_bytes()[..name.len().min(MAX_COMM_LENGTH)],
        Name::None => false,
    }
}

/// Returns the file name of this process's own executable.
pub(crate) fn own_name() -> Option<String> {
    match executable_name(getpid()) {
        Name::Executable(name) => name.into_string().ok(),
        _ => None,
    }
}

enum Name {
    /// File name of the executable.
    Executable(OsString),
    /// The name that the process had when it started its executable, or gave itself since. It may be cut.
    Comm(Vec<u8>),
    /// There is no such process, or it has no executable: a thread of the kernel, or a process that has ended.
    None,
}

fn executable_name(pid: Pid) -> Name {
    let directory = format!("/proc/{}", pid.as_raw_nonzero());
    match fs::read_link(format!("{directory}/exe")) {
        Ok(path) => {
            let mut name = path.file_name().unwrap_or_default().to_owned().into_vec();
            // The file was replaced while the process was running.
            if let Some(length) = name.strip_suffix(b" (deleted)").map(<[u8]>::len) {
                name.truncate(length);
            }
            Name::Executable(OsString::from_vec(name))
        }
        // The process of another user, or one that hides its memory, as credvend does.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let comm = fs::read(format!("{directory}/comm")).unwrap_or_default();
            Name::Comm(comm.trim_ascii_end().to_owned())
        }
        Err(_) => Name::None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn processes_are_found_by_the_name_of_their_executable() {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let name = "a-program-with-a-long-name";
        let program = directory.path().join(name);
        fs::copy("/bin/sleep", &program).expect("copied");
        let mut child = Command::new(&program).arg("60").stdin(Stdio::null()).spawn().expect("started");
        let pid = Pid::from_child(&child);
        assert_eq!(processes_named(name), [pid]);
        assert_eq!(processes_named("a-program-with"), []);
        fs::remove_file(&program).expect("removed");
        assert_eq!(processes_named(name), [pid], "a deleted executable");
        child.kill().expect("killed");
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("a process that is not reaped");
        assert_eq!(processes_named(name), [], "a process that has ended");
        child.wait().expect("reaped");
    }

    #[test]
    fn this_process_is_never_found() {
        let name = own_name().expect("a name");
        assert!(has_name(getpid(), &name) && !processes_named(&name).contains(&getpid()));
    }
}
