//! Offer files made by hand, small, each with the traps of the real ones.

use serde_json::{Value, json};

use super::*;
use crate::cost::money::GB;

/// Where a file is for.
#[derive(Clone, Copy)]
struct Region {
    code: &'static str,
    location: &'static str,
    prefix: &'static str,
}

const EAST: Region = Region { code: "us-east-1", location: "US East (N. Virginia)", prefix: "" };
const CENTRAL: Region = Region { code: "eu-central-1", location: "EU (Frankfurt)", prefix: "EUC1-" };

/// A file that is being written.
struct Draft {
    code: &'static str,
    products: serde_json::Map<String, Value>,
    terms: serde_json::Map<String, Value>,
}

impl Draft {
    fn new(code: &'static str) -> Self {
        Self { code, products: Default::default(), terms: Default::default() }
    }

    /// `bands`: begin, end, price.
    fn product(mut self, attributes: Value, bands: &[(&str, &str, &str)]) -> Self {
        let sku = format!("SKU{:03}", self.products.len());
        let dimensions: serde_json::Map<String, Value> = bands
            .iter()
            .map(|(begin, end, price)| {
                let unit =
                    json!({ "beginRange": begin, "endRange": end, "pricePerUnit": { "USD": price }, "unit": "x" });
                (format!("{sku}.T.{price}"), unit)
            })
            .collect();
        self.products.insert(sku.clone(), json!({ "sku": sku, "attributes": attributes }));
        self.terms.insert(sku.clone(), json!({ format!("{sku}.T"): { "priceDimensions": dimensions } }));
        self
    }

    fn sold(self, region: Region, usage: &str, operation: &str, price: &str) -> Self {
        let usage_type = format!("{}{usage}", region.prefix);
        let attributes = json!({ "usagetype": usage_type, "operation": operation, "regionCode": region.code,
                                 "location": region.location });
        self.product(attributes, &[("0", "Inf", price)])
    }

    fn offer(self) -> Offer {
        let value = json!({ "offerCode": self.code, "version": "20260701", "products": self.products,
            "publicationDate": "2026-07-01T10:00:00Z", "terms": { "OnDemand": self.terms } });
        serde_json::from_value(value).unwrap()
    }
}

/// The main file: prices as in the embedded table, and beside them all that must not be taken for them.
fn s3(at: Region) -> Draft {
    let standard = json!({ "usagetype": format!("{}TimedStorage-ByteHrs", at.prefix), "operation": "",
        "volumeType": "Standard", "regionCode": at.code, "location": at.location });
    let overhead = json!({ "usagetype": format!("{}TimedStorage-ByteHrs", at.prefix), "volumeType": "Overhead",
        "operation": "INTAAS3ObjectOverhead", "regionCode": at.code, "location": at.location });
    Draft::new("AmazonS3")
        .sold(at, "Tables-TimedStorage-ByteHrs", "", "0.0265")
        .sold(at, "Vectors-TimedStorage-ByteHrs", "", "0.06")
        .product(overhead, &[("0", "Inf", "0.02415")])
        .product(standard, &[("512000", "Inf", "0.021"), ("0", "51200", "0.023"), ("51200", "512000", "0.022")])
        .sold(at, "Requests-Tier1", "", "0.0000050000")
        .sold(at, "Requests-Tier2", "", "0.0000004000")
        .sold(at, "Requests-INT-Tier1", "", "9")
        .sold(at, "TimedStorage-SIA-ByteHrs", "", "0.0125")
        .sold(at, "Requests-SIA-Tier1", "", "0.00001")
        .sold(at, "Requests-SIA-Tier2", "", "0.000001")
        .sold(at, "Retrieval-SIA", "", "0.01")
        .sold(at, "TimedStorage-GIR-ByteHrs", "", "0.004")
        .sold(at, "Requests-GIR-Tier1", "", "0.00002")
        .sold(at, "Requests-GIR-Tier2", "", "0.00001")
        .sold(at, "Retrieval-GIR", "", "0.03")
        .sold(at, "TimedStorage-GlacierByteHrs", "", "0.0036")
        .sold(at, "Requests-GLACIER-Tier1", "PutObject", "0.00003")
        .sold(at, "Requests-GLACIER-Tier1", "S3-GlacierTransition", "0.000031")
        .sold(at, "Requests-GLACIER-Tier2", "", "0.0000004")
        .sold(at, "Requests-Tier3", "S3-GlacierTransition", "0.00003")
        .sold(at, "Requests-Tier3", "S3-GDATransition", "0.00006")
        .sold(at, "Requests-Tier3", "RestoreObject", "0.00005")
        .sold(at, "Requests-Tier5", "", "0")
        .sold(at, "Requests-Tier6", "", "0.01")
        .sold(at, "Standard-Retrieval-Bytes", "DeepArchiveRestoreObject", "0.02")
        .sold(at, "Standard-Retrieval-Bytes", "RestoreObject", "0.01")
        .sold(at, "Standard-Retrieval-Bytes", "IntDAARestoreObject", "0.5")
        .sold(at, "Bulk-Retrieval-Bytes", "RestoreObject", "0")
        .sold(at, "Bulk-Retrieval-Bytes", "DeepArchiveRestoreObject", "0.0025")
        .sold(at, "Expedited-Retrieval-Bytes", "IntAARestoreObject", "0.5")
        .sold(at, "Expedited-Retrieval-Bytes", "", "0.03")
        .sold(at, "Requests-GDA-Tier2", "", "0.0000004")
        .sold(at, "TimedStorage-GDA-Staging", "", "0.021")
        .sold(at, "TimedStorage-INT-DAA-ByteHrs", "", "0.00098")
}

fn deep_archive(at: Region) -> Draft {
    Draft::new("AmazonS3GlacierDeepArchive")
        .sold(at, "TimedStorage-GDA-ByteHrs", "", "0.00099")
        .sold(at, "Requests-GDA-Tier1", "InitiateMultipartUpload", "0.000005")
        .sold(at, "Requests-GDA-Tier1", "UploadPart", "0.000005")
        .sold(at, "Requests-GDA-Tier1", "CompleteMultipartUpload", "0.00005")
        .sold(at, "Requests-GDA-Tier3", "", "0.0001")
        .sold(at, "Requests-GDA-Tier5", "", "0.000025")
}

const INTERNET: [(&str, &str, &str); 4] =
    [("10240", "51200", "0.085"), ("0", "10240", "0.09"), ("51200", "153600", "0.07"), ("153600", "Inf", "0.05")];

fn transfer(at: Region) -> Draft {
    let route = |from: &str, to: &str, kind: &str, usage: String| json!({ "fromLocation": from, "toLocation": to, "transferType": kind, "usagetype": usage });
    let out = |prefix: &str| format!("{prefix}DataTransfer-Out-Bytes");
    Draft::new("AWSDataTransfer")
        .product(
            route(at.location, "External", "AWS Inbound", format!("{}DataTransfer-In-Bytes", at.prefix)),
            &[("0", "Inf", "0")],
        )
        .product(route(at.location, "External", "AWS Outbound", out(at.prefix)), &INTERNET)
        .product(route(at.location, "External", "AWS Outbound", out(at.prefix)), &[("0", "Inf", "0")])
        .product(route(at.location, "External", "AWS Outbound", out("Global-")), &[("0", "Inf", "7")])
        .product(
            route(at.location, "US West (Oregon)", "InterRegion Outbound", out(at.prefix)),
            &[("0", "Inf", "0.02")],
        )
        .product(route("Elsewhere", "External", "AWS Outbound", out("XXX1-")), &[("0", "Inf", "8")])
}

fn all(at: Region) -> Vec<Offer> {
    vec![s3(at).offer(), deep_archive(at).offer(), transfer(at).offer()]
}

#[test]
fn the_prices_that_are_embedded_come_out_of_offer_files_with_every_trap() {
    for at in [EAST, CENTRAL] {
        let imported = from_offers(&all(at), None).unwrap();
        assert_eq!(imported.left_out, []);
        let embedded = PriceTable::parse(EMBEDDED[0]).unwrap();
        let expected = PriceTable { region: at.code.into(), source: imported.table.source.clone(), ..embedded };
        assert_eq!(imported.table, expected);
        assert!(expected.source.contains("AWSDataTransfer 20260701"), "{}", expected.source);
    }
}

#[test]
fn without_its_own_file_deep_archive_is_left_out_and_nothing_stands_in_for_it() {
    let imported = from_offers(&[s3(EAST).offer(), transfer(EAST).offer()], None).unwrap();
    assert_eq!(imported.left_out, [(StorageClass::DeepArchive, "TimedStorage-GDA-ByteHrs".to_owned())]);
    assert!(imported.table.class(StorageClass::DeepArchive).is_err());
    assert!(imported.table.class(StorageClass::Glacier).is_ok());
}

#[test]
fn without_the_file_of_the_internet_there_is_no_table() {
    let error = from_offers(&[s3(EAST).offer(), deep_archive(EAST).offer()], None).unwrap_err();
    assert!(error.to_string().contains("AWSDataTransfer"), "{error}");
}

#[test]
fn several_regions_need_a_word_which() {
    let both: Vec<Offer> = all(EAST).into_iter().chain(all(CENTRAL)).collect();
    let error = from_offers(&both, None).unwrap_err();
    assert!(error.to_string().contains("eu-central-1, us-east-1"), "{error}");
    assert_eq!(from_offers(&both, Some("eu-central-1")).unwrap().table.region, "eu-central-1");
    let error = from_offers(&both, Some("mars-1")).unwrap_err().to_string();
    assert!(error.contains("mars-1") && error.contains("eu-central-1, us-east-1"), "{error}");
    assert!(matches!(from_offers(&[], Some("mars-1")), Err(CostError::NoRegion)));
}

#[test]
fn two_prices_for_one_thing_are_refused_and_not_chosen_from() {
    let twice = s3(EAST).sold(EAST, "Requests-Tier2", "", "0.0000005").offer();
    let error = from_offers(&[twice, transfer(EAST).offer()], None).unwrap_err();
    assert!(matches!(&error, CostError::Ambiguous { what, .. } if what == "Requests-Tier2"), "{error}");
}

#[test]
fn a_band_that_is_missing_is_not_bridged() {
    let standard = json!({ "usagetype": "TimedStorage-ByteHrs", "operation": "", "volumeType": "Standard",
        "regionCode": "us-east-1", "location": EAST.location });
    let broken = Draft::new("AmazonS3").product(standard, &[("512000", "Inf", "0.021"), ("0", "51200", "0.023")]);
    let error = from_offers(&[broken.sold(EAST, "Requests-Tier1", "", "0.000005").offer()], None).unwrap_err();
    assert!(error.to_string().contains("all volume bands"), "{error}");
}

#[test]
fn what_an_account_gets_free_is_added_unless_the_file_says_it() {
    let imported = from_offers(&all(EAST), None).unwrap().table;
    assert_eq!(imported.transfer(0, 101 * GB).to_string(), "0.09");
    let with_band = json!({ "fromLocation": EAST.location, "toLocation": "External", "transferType": "AWS Outbound",
        "usagetype": "DataTransfer-Out-Bytes" });
    let bands = [("0", "1", "0"), ("1", "Inf", "0.09")];
    let other = Draft::new("AWSDataTransfer").product(with_band, &bands).offer();
    let imported = from_offers(&[s3(EAST).offer(), other], None).unwrap().table;
    assert_eq!(imported.transfer(0, 2 * GB).to_string(), "0.09");
}

#[test]
fn a_file_that_is_none_says_so() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"offers\": {}}").unwrap();
    let error = import(&[file.path().to_path_buf()], None).unwrap_err();
    assert!(error.to_string().contains("is no offer file"), "{error}");
}

#[test]
fn the_sign_of_a_region_is_told_from_the_name_of_another_product() {
    assert_eq!(region_prefix("TimedStorage-ByteHrs", STANDARD_STORAGE), Some(""));
    assert_eq!(region_prefix("USW2-TimedStorage-ByteHrs", STANDARD_STORAGE), Some("USW2-"));
    assert_eq!(region_prefix("Tables-TimedStorage-ByteHrs", STANDARD_STORAGE), None);
    assert_eq!(region_prefix("USW2-Tables-TimedStorage-ByteHrs", STANDARD_STORAGE), None);
    assert_eq!(region_prefix("XTimedStorage-ByteHrs", STANDARD_STORAGE), None);
}
