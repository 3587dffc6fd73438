//! Errors of this room.

use std::io;
use std::path::PathBuf;

use crate::model::StorageClass;

#[derive(Debug, thiserror::Error)]
pub enum CostError {
    #[error("{table} say nothing of the class {class}")]
    NoClass { class: StorageClass, table: String },
    #[error("requests of the kind {verb:?} have no price here")]
    UnknownRequest { verb: String },
    #[error("cannot read the price table {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the price table {} cannot be understood", path.display())]
    Table {
        path: PathBuf,
        // it shows the line
        source: Box<toml::de::Error>,
    },
    #[error("cannot store the price table {}", path.display())]
    Save { path: PathBuf, source: io::Error },
    #[error("cannot read the offer file {}", path.display())]
    ReadOffer { path: PathBuf, source: io::Error },
    #[error("{} is no offer file of AWS", path.display())]
    NotOffer { path: PathBuf, source: serde_json::Error },
    #[error("no region's standard storage (TimedStorage-ByteHrs) is in the offer files")]
    NoRegion,
    #[error("the offer files do not hold the region {wanted}, but {}", regions.join(", "))]
    NotThisRegion { wanted: String, regions: Vec<String> },
    #[error("the prices of {what} are in {}, not in USD", currencies.join(", "))]
    NotUsd { what: String, currencies: Vec<String> },
    #[error("the offer files hold several regions: {}", regions.join(", "))]
    WhichRegion { regions: Vec<String> },
    #[error("the offer files do not say: {}", missing.join("; "))]
    Incomplete { missing: Vec<String> },
    #[error("the offer files have several prices for {what}: {}", prices.join(", "))]
    Ambiguous { what: String, prices: Vec<String> },
    #[error("{price:?}, the price of {what}, is no price")]
    BadPrice { what: String, price: String },
}

impl CostError {
    /// What a person can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::NoClass { .. } => "Add the class to the table that --prices names; docs/cost.md shows how.",
            Self::UnknownRequest { .. } => "Install the newest version of Rozen: the agent is newer than this program.",
            Self::Read { .. } | Self::ReadOffer { .. } | Self::Save { .. } => "Check the path and its permissions.",
            Self::Table { .. } => "Mend it, or remove it to use the prices of the program; docs/cost.md explains it.",
            Self::NotOffer { .. } => {
                "Give index.json as AWS publishes it for a region; docs/cost.md names the addresses."
            }
            Self::NoRegion | Self::Incomplete { .. } => {
                "Give the files of AmazonS3, AmazonS3GlacierDeepArchive and AWSDataTransfer for one region, together."
            }
            Self::NotThisRegion { .. } => {
                "Name one of these with --region, or give the files of the region that is meant."
            }
            Self::NotUsd { .. } => "Write a table in that currency by hand; docs/cost.md shows how.",
            Self::WhichRegion { .. } => "Say which with --region.",
            Self::Ambiguous { .. } | Self::BadPrice { .. } => {
                "AWS publishes something new: install the newest version of Rozen, or write the table by hand."
            }
        }
    }
}
