//! Where the files lie that tests of more than one crate use.

use std::path::{Path, PathBuf};

/// A folder beside these tests, whichever crate is being tested.
pub(crate) fn folder(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = crate_folder.ancestors().map(|above| above.join("tests").join(name));
    folders.find(|folder| folder.is_dir()).expect("a folder of the tests")
}
