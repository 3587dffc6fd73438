//! Lists of objects and versions, in byte order of the keys, page by page.

use std::collections::BTreeSet;
use std::ops::Bound;

use s3s::dto::{
    CommonPrefix, DeleteMarkerEntry, ETag, ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object, ObjectVersion,
};
use s3s::{S3Result, s3_error};

use super::disk::State;
use super::object::timestamp;
use super::state::{Key, Version};
use super::store::Fake;

impl State {
    /// Keys of a bucket that begin with `prefix`, after `after`.
    pub fn keys_after<'a>(
        &'a self,
        bucket: &'a str,
        prefix: &'a str,
        after: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Key)> {
        let start = Bound::Excluded((bucket.to_owned(), after.to_owned()));
        let rows = self.keys.range((start, Bound::Unbounded)).take_while(move |((of, _), _)| of == bucket);
        rows.filter(move |((_, key), _)| key.starts_with(prefix)).map(|((_, key), row)| (key.as_str(), row))
    }

    /// The page size that holds: the server's, or less where the request says so.
    pub fn page(&self, asked: Option<i32>) -> S3Result<usize> {
        let asked = asked.map(usize::try_from).transpose();
        let asked = asked.map_err(|_| s3_error!(InvalidArgument, "a page cannot have less than no entries"))?;
        Ok(asked.unwrap_or(usize::MAX).min(self.settings.page))
    }
}

/// One line of a list with a delimiter.
enum Line {
    Object(Box<Object>),
    Prefix(String),
}

impl Fake {
    /// The token is the last key or common prefix of the page before.
    pub fn list_objects_v2(&self, input: &ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let state = self.state();
        state.bucket(&input.bucket)?;
        let page = state.page(input.max_keys)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let after = input.continuation_token.as_deref().or(input.start_after.as_deref()).unwrap_or_default();
        let mut lines = Vec::new();
        let mut prefixes = BTreeSet::new();
        for (key, row) in state.keys_after(&input.bucket, prefix, after) {
            let Some(current) = row.current() else { continue };
            match delimiter.and_then(|delimiter| common_prefix(key, prefix, delimiter)) {
                // all keys of a common prefix that a page before has shown
                Some(common) if after.starts_with(common) || prefixes.contains(common) => continue,
                Some(common) => {
                    prefixes.insert(common.to_owned());
                    lines.push(Line::Prefix(common.to_owned()));
                }
                None => lines.push(Line::Object(Box::new(object(key, current)))),
            }
            if lines.len() > page {
                break;
            }
        }
        let page = output(input, page, lines);
        let is_truncated = page.is_truncated.filter(|_| !state.settings.no_is_truncated);
        Ok(ListObjectsV2Output { is_truncated, ..page })
    }

    pub fn list_object_versions(&self, input: &ListObjectVersionsInput) -> S3Result<ListObjectVersionsOutput> {
        let state = self.state();
        state.bucket(&input.bucket)?;
        let page = state.page(input.max_keys)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let (key_marker, id_marker) = (input.key_marker.as_deref().unwrap_or_default(), &input.version_id_marker);
        let mut rows: Vec<(String, Version, bool)> = Vec::new();
        let marked =
            state.keys.get_key_value(&(input.bucket.clone(), key_marker.to_owned())).filter(|_| id_marker.is_some());
        let marked = marked.map(|((_, key), row)| (key.as_str(), row));
        for (key, row) in marked.into_iter().chain(state.keys_after(&input.bucket, prefix, key_marker)) {
            let newest_first = row.versions.iter().rev().enumerate();
            let seen = id_marker.as_ref().filter(|_| key == key_marker);
            let skip = seen
                .and_then(|id| row.versions.iter().rev().position(|version| version.id == *id))
                .map_or(0, |at| at + 1);
            rows.extend(newest_first.skip(skip).map(|(at, version)| (key.to_owned(), version.clone(), at == 0)));
            if rows.len() > page {
                break;
            }
        }
        let is_truncated = rows.len() > page;
        rows.truncate(page);
        let last = rows.last().filter(|_| is_truncated).map(|(key, version, _)| (key.clone(), version.id.clone()));
        let (markers, versions): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, version, _)| version.marker);
        Ok(ListObjectVersionsOutput {
            name: Some(input.bucket.clone()),
            is_truncated: Some(is_truncated),
            next_key_marker: last.as_ref().map(|(key, _)| key.clone()),
            next_version_id_marker: last.map(|(_, id)| id),
            versions: Some(versions.into_iter().map(version_line).collect()),
            delete_markers: Some(markers.into_iter().map(marker_line).collect()),
            ..ListObjectVersionsOutput::default()
        })
    }
}

fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: &str) -> Option<&'a str> {
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

fn output(input: &ListObjectsV2Input, page: usize, mut lines: Vec<Line>) -> ListObjectsV2Output {
    let is_truncated = lines.len() > page;
    lines.truncate(page);
    let next = lines.last().map(|line| match line {
        Line::Object(object) => object.key.clone().expect("we set it"),
        Line::Prefix(prefix) => prefix.clone(),
    });
    let count = lines.len();
    let (mut contents, mut common) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::Object(object) => contents.push(*object),
            Line::Prefix(prefix) => common.push(CommonPrefix { prefix: Some(prefix) }),
        }
    }
    ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: input.prefix.clone(),
        delimiter: input.delimiter.clone(),
        key_count: i32::try_from(count).ok(),
        max_keys: Some(i32::try_from(page).unwrap_or(i32::MAX)),
        is_truncated: Some(is_truncated),
        next_continuation_token: next.filter(|_| is_truncated),
        contents: Some(contents),
        common_prefixes: Some(common),
        ..ListObjectsV2Output::default()
    }
}

fn object(key: &str, version: &Version) -> Object {
    Object {
        key: Some(key.to_owned()),
        e_tag: Some(ETag::Strong(version.etag.clone())),
        size: Some(version.size().cast_signed()),
        last_modified: Some(timestamp(version.modified)),
        storage_class: Some(version.facts.class.clone().unwrap_or_else(|| "STANDARD".to_owned()).into()),
        ..Object::default()
    }
}

fn version_line((key, version, is_latest): (String, Version, bool)) -> ObjectVersion {
    ObjectVersion {
        key: Some(key),
        e_tag: Some(ETag::Strong(version.etag.clone())),
        size: Some(version.size().cast_signed()),
        is_latest: Some(is_latest),
        last_modified: Some(timestamp(version.modified)),
        storage_class: Some(version.facts.class.unwrap_or_else(|| "STANDARD".to_owned()).into()),
        version_id: Some(version.id),
        ..ObjectVersion::default()
    }
}

fn marker_line((key, version, is_latest): (String, Version, bool)) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(key),
        is_latest: Some(is_latest),
        last_modified: Some(timestamp(version.modified)),
        version_id: Some(version.id),
        ..DeleteMarkerEntry::default()
    }
}
