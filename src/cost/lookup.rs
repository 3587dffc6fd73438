//! Which table of prices holds for a target.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::CostError;
use super::table::{AWS, PriceTable};
use crate::store::StoreUrl;

/// What the program brings along.
pub(super) const EMBEDDED: [&str; 1] = [include_str!("prices/2026-07-us-east-1.toml")];

/// Who sends the bill.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Billed {
    /// The target is our own.
    Nobody,
    Aws {
        region: String,
        /// Nobody named the region.
        assumed: bool,
    },
    /// A server of somebody whose prices are not known by name.
    Other { endpoint: String },
}

/// Tables of a person's own, in the order in which they count.
#[derive(Clone, Debug, Default)]
pub struct PriceFiles {
    /// Holds for whatever target.
    pub given: Option<PathBuf>,
    /// Looked at where they exist; one that is for another provider or region is passed over.
    pub usual: Vec<PathBuf>,
}

impl PriceFiles {
    /// Beside the configuration, then in the state directory.
    pub fn usual(config_file: &Path, state_dir: &Path) -> Self {
        let usual = vec![Self::imported(config_file), state_dir.join(FILE_NAME)];
        Self { given: None, usual }
    }

    /// Where an import is stored.
    pub fn imported(config_file: &Path) -> PathBuf {
        config_file.parent().unwrap_or(Path::new(".")).join(FILE_NAME)
    }
}

/// Why there are no prices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unpriced {
    NoBill,
    /// For people: whose prices are not known.
    NotKnown(String),
}

const FILE_NAME: &str = "prices.toml";
/// Where AWS puts buckets when nobody says otherwise.
const USUAL_REGION: &str = "us-east-1";

impl Billed {
    pub fn of(target: &StoreUrl) -> Self {
        let StoreUrl::S3(address) = target else { return Self::Nobody };
        match address.endpoint() {
            Some(endpoint) if !is_of_aws(endpoint) => Self::Other { endpoint: endpoint.to_owned() },
            _ => {
                let region = address.region();
                Self::Aws { region: region.unwrap_or(USUAL_REGION).to_owned(), assumed: region.is_none() }
            }
        }
    }

    /// Somebody says which region it is.
    pub fn in_region(self, named: Option<&str>) -> Self {
        match (self, named) {
            (Self::Aws { .. }, Some(region)) => Self::Aws { region: region.to_owned(), assumed: false },
            (other, _) => other,
        }
    }

    fn fits(&self, table: &PriceTable) -> bool {
        match self {
            Self::Nobody => false,
            Self::Aws { region, .. } => table.provider == AWS && table.region == *region,
            Self::Other { .. } => table.provider != AWS,
        }
    }

    /// Whose prices they are, for people; `None` where nobody sends a bill.
    pub fn whose(&self) -> Option<String> {
        match self {
            Self::Nobody => None,
            Self::Aws { region, .. } => Some(format!("AWS in {region}")),
            Self::Other { endpoint } => Some(endpoint.clone()),
        }
    }
}

fn is_of_aws(endpoint: &str) -> bool {
    let without_scheme = endpoint.rsplit_once("//").map_or(endpoint, |(_, rest)| rest);
    let host = without_scheme.split(['/', ':']).next().unwrap_or_default();
    host == "amazonaws.com" || host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// The table that was given, else the first that fits, else the program's own. The inner `Err`: none.
pub fn prices_for(billed: &Billed, files: &PriceFiles) -> Result<Result<PriceTable, Unpriced>, CostError> {
    let Some(whose) = billed.whose() else { return Ok(Err(Unpriced::NoBill)) };
    if let Some(path) = &files.given {
        let text = fs::read_to_string(path).map_err(|source| CostError::Read { path: path.clone(), source })?;
        return Ok(Ok(understood(path, &text)?));
    }
    for path in &files.usual {
        let table = match fs::read_to_string(path) {
            Ok(text) => understood(path, &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(CostError::Read { path: path.clone(), source }),
        };
        if billed.fits(&table) {
            return Ok(Ok(table));
        }
    }
    let embedded = EMBEDDED.iter().map(|text| PriceTable::parse(text).expect("a test reads every embedded table"));
    Ok(embedded.filter(|table| billed.fits(table)).max_by_key(|table| table.version).ok_or(Unpriced::NotKnown(whose)))
}

fn understood(path: &Path, text: &str) -> Result<PriceTable, CostError> {
    PriceTable::parse(text).map_err(|source| CostError::Table { path: path.to_path_buf(), source: Box::new(source) })
}

/// Replaces the file whole, or leaves it as it is.
pub fn save(table: &PriceTable, path: &Path) -> Result<(), CostError> {
    let failed = |source| CostError::Save { path: path.to_path_buf(), source };
    let text = toml::to_string(table).expect("a table of texts and numbers can be written");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(failed)?;
    write!(file, "# Prices that were imported. docs/cost.md explains every key.\n{text}").map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(region: &str, provider: &str) -> PriceTable {
        let table = PriceTable::parse(EMBEDDED[0]).unwrap();
        PriceTable { region: region.into(), provider: provider.into(), ..table }
    }

    fn aws(region: &str) -> Billed {
        Billed::Aws { region: region.into(), assumed: false }
    }

    #[test]
    fn the_table_that_the_document_shows_is_one() {
        let document = include_str!("../../docs/cost.md");
        let (_, shown) = document.split_once("```toml\n").unwrap();
        let (shown, _) = shown.split_once("```").unwrap();
        let table = PriceTable::parse(shown).unwrap();
        assert_eq!((&table.provider[..], table.classes.len()), ("example", 2));
    }

    #[test]
    fn who_sends_the_bill_follows_from_the_target() {
        let of = |text: &str| Billed::of(&StoreUrl::parse(text).unwrap());
        assert_eq!(of("/srv/backup"), Billed::Nobody);
        assert_eq!(of("file:///srv/s3"), Billed::Nobody);
        let assumed = Billed::Aws { region: "us-east-1".into(), assumed: true };
        assert_eq!(of("s3://bucket/prefix"), assumed);
        assert_eq!(of("s3://bucket?region=eu-central-1"), aws("eu-central-1"));
        let endpoint = "https://s3.eu-central-1.amazonaws.com";
        assert_eq!(of(&format!("s3://bucket?endpoint={endpoint}&region=eu-central-1")), aws("eu-central-1"));
        for other in ["http://127.0.0.1:9000", "https://s3.example.org", "https://notamazonaws.com"] {
            let billed = of(&format!("s3://bucket?region=us-east-1&endpoint={other}"));
            assert_eq!(billed, Billed::Other { endpoint: other.into() });
        }
        assert_eq!(of("s3://bucket").in_region(Some("eu-west-1")), aws("eu-west-1"));
    }

    #[test]
    fn the_given_table_comes_first_then_the_usual_ones_that_fit_then_the_programs() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        save(&table("mars-1", "aws"), &path("mars.toml")).unwrap();
        save(&table("eu-central-1", "aws"), &path("below/eu.toml")).unwrap();
        let files = |given: Option<&str>| PriceFiles {
            given: given.map(path),
            usual: vec![path("missing.toml"), path("mars.toml"), path("below/eu.toml")],
        };
        let region = |billed: &Billed, given| prices_for(billed, &files(given)).unwrap().map(|table| table.region);
        assert_eq!(region(&aws("eu-central-1"), None).unwrap(), "eu-central-1");
        assert_eq!(region(&aws("us-east-1"), None).unwrap(), "us-east-1");
        assert_eq!(region(&aws("us-east-1"), Some("mars.toml")).unwrap(), "mars-1");
        assert_eq!(region(&Billed::Nobody, Some("mars.toml")), Err(Unpriced::NoBill));
        assert!(matches!(prices_for(&aws("us-east-1"), &files(Some("missing.toml"))), Err(CostError::Read { .. })));
    }

    #[test]
    fn prices_of_others_are_never_taken_instead() {
        let none = PriceFiles::default();
        let unknown = prices_for(&aws("sa-east-1"), &none).unwrap().unwrap_err();
        assert_eq!(unknown, Unpriced::NotKnown("AWS in sa-east-1".into()));
        let other = Billed::Other { endpoint: "https://s3.example.org".into() };
        assert!(prices_for(&other, &none).unwrap().is_err());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prices.toml");
        save(&table("x", "example"), &path).unwrap();
        let files = PriceFiles { given: None, usual: vec![path] };
        assert_eq!(prices_for(&other, &files).unwrap().unwrap().provider, "example");
    }

    #[test]
    fn a_table_that_is_broken_is_an_error_that_names_it_and_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prices.toml");
        fs::write(&path, "version = 1").unwrap();
        let files = PriceFiles { given: None, usual: vec![path] };
        let error = prices_for(&aws("us-east-1"), &files).unwrap_err();
        assert!(error.to_string().contains("prices.toml"), "{error}");
    }
}
