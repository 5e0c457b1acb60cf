//! Swagger UI: the two files of it that the docs page loads.
//!
//! Owns: finding them in the archive that is part of the program, and keeping them once they were asked for.
//! Never: unpacks one twice: anybody may ask, and each answer would cost ten milliseconds and more than a megabyte.
//! Source: the crate utoipa-swagger-ui-vendored carries Swagger UI as it was published.

use axum::body::Bytes;
use std::io::{Cursor, Read};
use std::sync::OnceLock;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// What the docs page loads, each unpacked when it is first asked for; nothing else of the archive is served.
static FILES: [(&str, OnceLock<Option<Bytes>>); 2] =
    [("swagger-ui.css", OnceLock::new()), ("swagger-ui-bundle.js", OnceLock::new())];

/// The bytes of the file `name`, which all who ask share; `None` if the page needs no such file.
pub(super) fn file(name: &str) -> Option<Bytes> {
    let (name, unpacked) = FILES.iter().find(|(file, _)| *file == name)?;
    unpacked.get_or_init(|| unpack(name)).clone()
}

fn unpack(name: &str) -> Option<Bytes> {
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED)).ok()?;
    let ending = format!("/dist/{name}");
    let path = archive.file_names().flatten().find(|path| path.ends_with(&ending))?.into_owned();
    let mut bytes = Vec::new();
    archive.by_name(&path).ok()?.read_to_end(&mut bytes).ok()?;
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_unpacked_once_and_shared_by_all_who_ask() {
        let [first, second] = [(); 2].map(|()| file("swagger-ui-bundle.js").unwrap());
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert!(first.len() > 1_000_000);
        assert!(file("swagger-ui-es-bundle.js").is_none(), "not what the page loads");
    }
}
