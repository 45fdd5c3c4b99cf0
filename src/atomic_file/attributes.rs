//! Owner, mode and extended attributes of a file that replaces another one.
//!
//! Input: the new file, and the file that it replaces. Output: the names of the attributes that could not be kept. The mode is
//! the configured one. In a file with a POSIX access control list, its group bits limit the entries of the list, as with
//! chmod. [`acl(5)`](https://man7.org/linux/man-pages/man5/acl.5.html).

use std::{
    ffi::{CStr, CString},
    fs::{File, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown},
};

use rustix::{
    fs::{XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fremovexattr, fsetxattr},
    io::Errno,
};

pub(super) const MODE_BITS: u32 = 0o7777;
const GROUP_BITS: u32 = 0o070;

const ACCESS_CONTROL_LIST: &CStr = c"system.posix_acl_access";

/// Attributes that describe the old content, or grant rights to a program.
const NOT_COPIED: [&CStr; 3] = [c"security.capability", c"security.evm", c"security.ima"];

/// Sets the owner and group of a new file to those of the file that it replaces, if permitted. Otherwise root would
/// take ownership of the files of other users.
pub(super) fn keep_owner(file: &File, replaces: &Metadata) {
    let Ok(own) = file.metadata() else { return };
    let (owner, group) = (replaces.uid(), replaces.gid());
    if own.uid() != owner && fchown(file, Some(owner), Some(group)).is_ok() {
        return;
    }
    if own.gid() != group {
        // If this fails, the file keeps the group of this process.
        let _ = fchown(file, None, Some(group));
    }
}

/// Sets the mode regardless of the umask. If the file already has the mode, it is not set again, because the owner may
/// have changed and the call could fail.
pub(super) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.mode() & MODE_BITS == mode {
        return Ok(());
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// Copies the extended attributes, among them the access control list. Returns the names of those that cannot be copied.
pub(super) fn copy_extended(file: &File, replaces: &File) -> Vec<String> {
    let names = names(replaces);
    // A default list of the directory grants nothing that the replaced file did not.
    if !names.iter().any(|name| name.as_c_str() == ACCESS_CONTROL_LIST) {
        let _ = fremovexattr(file, ACCESS_CONTROL_LIST);
    }
    let is_lost = |name: &&CString| match value(replaces, name) {
        // Removed since it was listed.
        Err(Errno::NODATA) => false,
        Ok(wanted) if value(file, name).is_ok_and(|present| present == wanted) => false,
        Ok(wanted) => fsetxattr(file, name.as_c_str(), &wanted, XattrFlags::empty()).is_err(),
        Err(_) => true,
    };
    let copied = names.iter().filter(|name| !NOT_COPIED.contains(&name.as_c_str()));
    copied.filter(is_lost).map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Returns true if `mode` changes what the access control list of a file permits.
pub(super) fn changes_access_control_list(file: &File, metadata: &Metadata, mode: u32) -> bool {
    metadata.mode() & GROUP_BITS != mode & GROUP_BITS
        && names(file).iter().any(|name| name.as_c_str() == ACCESS_CONTROL_LIST)
}

/// Returns the names of the extended attributes; none if the file system does not support them.
fn names(file: &File) -> Vec<CString> {
    let mut list = vec![0; flistxattr_query(file).unwrap_or(0)];
    let length = flistxattr(file, &mut list[..]).unwrap_or(0);
    let names = list[..length].split_inclusive(|byte| *byte == 0);
    names.filter_map(|name| CStr::from_bytes_with_nul(name).ok()).map(CStr::to_owned).collect()
}

fn value(file: &File, name: &CString) -> rustix::io::Result<Vec<u8>> {
    let mut value = vec![0; fgetxattr_query(file, name.as_c_str())?];
    let length = fgetxattr(file, name.as_c_str(), &mut value[..])?;
    value.truncate(length);
    Ok(value)
}
