//! Swagger UI: the two files of it that the docs page loads.
//!
//! Owns: finding them in the archive that is part of the program.
//! Never: keeps them unpacked: a docs page is asked for rarely, and a browser keeps them.
//! Source: the crate utoipa-swagger-ui-vendored carries Swagger UI as it was published.

use std::io::{Cursor, Read};
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// What the docs page loads; nothing else of the archive is served.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// The bytes of the file `name`; `None` if the page needs no such file.
pub(super) fn file(name: &str) -> Option<Vec<u8>> {
    if !FILES.contains(&name) {
        return None;
    }
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let ending = format!("/dist/{name}");
    let path = archive.file_names().flatten().find(|path| path.ends_with(&ending))?.into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&path).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}
