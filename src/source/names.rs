//! Names of users and groups, asked once per id.
//!
//! The system's own databases (files, LDAP, …) answer, through the C library. A name is a help for people and for
//! restores on another machine; the number is what counts, so no answer is no error.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;

/// A cache of both directions. One per run and thread: accounts may change, and a long-lived agent must notice.
#[derive(Default)]
pub struct Names {
    users: HashMap<u32, Option<Arc<str>>>,
    groups: HashMap<u32, Option<Arc<str>>>,
    uids: HashMap<String, Option<u32>>,
    gids: HashMap<String, Option<u32>>,
}

impl Names {
    pub fn new() -> Self {
        Self::default()
    }

    /// `None`: no user has this id, the name is no UTF-8, or the database did not answer.
    pub fn user(&mut self, uid: u32) -> Option<Arc<str>> {
        self.users.entry(uid).or_insert_with(|| lookup(|buffer| user_name(uid, buffer)).map(Into::into)).clone()
    }

    pub fn group(&mut self, gid: u32) -> Option<Arc<str>> {
        self.groups.entry(gid).or_insert_with(|| lookup(|buffer| group_name(gid, buffer)).map(Into::into)).clone()
    }

    pub fn uid(&mut self, user: &str) -> Option<u32> {
        if let Some(known) = self.uids.get(user) {
            return *known;
        }
        let found = CString::new(user).ok().and_then(|name| lookup(|buffer| user_id(&name, buffer)));
        self.uids.insert(user.to_owned(), found);
        found
    }

    pub fn gid(&mut self, group: &str) -> Option<u32> {
        if let Some(known) = self.gids.get(group) {
            return *known;
        }
        let found = CString::new(group).ok().and_then(|name| lookup(|buffer| group_id(&name, buffer)));
        self.gids.insert(group.to_owned(), found);
        found
    }
}

/// The C library wants a buffer whose size nobody knows: `Err(())` from `ask` means "larger, please".
fn lookup<T>(mut ask: impl FnMut(&mut [libc::c_char]) -> Result<Option<T>, ()>) -> Option<T> {
    let mut size = 1024;
    while size <= LARGEST_RECORD {
        let mut buffer = vec![0; size];
        match ask(&mut buffer) {
            Ok(answer) => return answer,
            Err(()) => size *= 4,
        }
    }
    None
}

/// A group with many thousand members has a record this long.
const LARGEST_RECORD: usize = 4 << 20;

fn user_name(uid: u32, buffer: &mut [libc::c_char]) -> Result<Option<String>, ()> {
    let mut record = MaybeUninit::<libc::passwd>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are valid for the call and the length is that of the buffer
    let rc = unsafe { libc::getpwuid_r(uid, record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) };
    // SAFETY: a non-null `found` points to `record`, which the call has filled; its name lies in `buffer`
    answer(rc, found.is_null(), || unsafe { text((*found).pw_name) })
}

fn group_name(gid: u32, buffer: &mut [libc::c_char]) -> Result<Option<String>, ()> {
    let mut record = MaybeUninit::<libc::group>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are valid for the call and the length is that of the buffer
    let rc = unsafe { libc::getgrgid_r(gid, record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) };
    // SAFETY: a non-null `found` points to `record`, which the call has filled; its name lies in `buffer`
    answer(rc, found.is_null(), || unsafe { text((*found).gr_name) })
}

fn user_id(name: &CStr, buffer: &mut [libc::c_char]) -> Result<Option<u32>, ()> {
    let mut record = MaybeUninit::<libc::passwd>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: `name` ends with NUL, all pointers are valid for the call and the length is that of the buffer
    let rc =
        unsafe { libc::getpwnam_r(name.as_ptr(), record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) };
    // SAFETY: a non-null `found` points to `record`, which the call has filled
    answer(rc, found.is_null(), || Some(unsafe { (*found).pw_uid }))
}

fn group_id(name: &CStr, buffer: &mut [libc::c_char]) -> Result<Option<u32>, ()> {
    let mut record = MaybeUninit::<libc::group>::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: `name` ends with NUL, all pointers are valid for the call and the length is that of the buffer
    let rc =
        unsafe { libc::getgrnam_r(name.as_ptr(), record.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut found) };
    // SAFETY: a non-null `found` points to `record`, which the call has filled
    answer(rc, found.is_null(), || Some(unsafe { (*found).gr_gid }))
}

/// Systems disagree on how they say "no such id" (0, ENOENT, ESRCH, EPERM …), so only ERANGE is told apart.
fn answer<T>(rc: libc::c_int, absent: bool, value: impl FnOnce() -> Option<T>) -> Result<Option<T>, ()> {
    match rc {
        0 if !absent => Ok(value()),
        libc::ERANGE => Err(()),
        _ => Ok(None),
    }
}

/// # Safety
/// `name` points to a string that ends with NUL and lives during the call.
unsafe fn text(name: *const libc::c_char) -> Option<String> {
    // SAFETY: as this function's own contract says
    unsafe { CStr::from_ptr(name) }.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_by_number_and_by_name() {
        let mut names = Names::new();
        assert_eq!(names.user(0).as_deref(), Some("root"));
        assert_eq!(names.uid("root"), Some(0));
        let group = names.group(0).expect("group 0 has a name");
        assert_eq!(names.gid(&group), Some(0));
    }

    #[test]
    fn an_id_without_name_and_a_name_without_id_are_nothing() {
        let mut names = Names::new();
        assert_eq!(names.user(3_999_999_999), None);
        assert_eq!(names.group(3_999_999_999), None);
        assert_eq!(names.uid("no such user, with a space"), None);
        assert_eq!(names.gid("nul\0inside"), None);
    }

    #[test]
    fn a_record_larger_than_the_buffer_is_asked_again() {
        let mut sizes = Vec::new();
        let found = lookup(|buffer| {
            sizes.push(buffer.len());
            if buffer.len() < 10_000 { Err(()) } else { Ok(Some(7)) }
        });
        assert_eq!((found, sizes), (Some(7), vec![1024, 4096, 16384]));
    }
}
