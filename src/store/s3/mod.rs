//! Objects in a bucket that speaks S3: AWS's or a compatible server's.
//!
//! What must hold:
//! - One call of a verb is one HTTP request, plus those that its page or its refusal asks for; the client never repeats a
//!   request by itself, so that an answer that was lost is seen by those who can tell what it means (`retry`, room `upload`).
//!   One exception: a request refused for expired keys is sent once more with new ones.
//! - Nothing is replaced: writes carry `If-None-Match: *`. Where a server is known to ignore it (`conditional=no`) the
//!   object is looked for first: that guards against accidents, not against a thief.
//! - Bodies have a known length and a checksum that the server verifies; they are never sent in chunks with a trailer.
//! - That something is not there is believed of the store alone: an answer 404 that names an error of S3, or bears the number
//!   of a request. What a gateway answers whose store is away is no answer. What is listed is everything, or an error.
//! - Every request is counted, by verb and class, before its answer is known.
//! - No secret is printed: not in an address, not in an error.
//!
//! What survives a crash: nothing is kept here; uploads live in the target, their ids with the caller.
//!
//! Not here: settings of buckets and what a thief could do (room `bucket`), resuming uploads (room `upload`), prices
//! (room `cost`), repeating what failed (`store::retry`).

mod address;
mod answer;
mod archive;
mod backend;
mod body;
mod checksum;
mod client;
mod credentials;
mod http;
mod key_file;
mod meter;
mod objects;
mod pace;
mod parts;
mod progress;
mod refusal;
#[cfg(test)]
pub(super) mod tests;
mod versions;
mod way;

pub use address::S3Address;
pub use client::S3Client;
pub use refusal::S3Refusal;

pub(super) use backend::S3Store;
