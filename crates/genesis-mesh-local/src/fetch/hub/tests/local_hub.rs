//! A hub on this machine: repositories as the real one serves them, and its faults.
//!
//! Owns: the list of files, LFS headers on a redirect, ranges, and the log of what was asked.
//! Never: keeps a connection: one request each, so that the log is easy to read.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The commit that `main` is at.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong.
#[derive(Clone, Default)]
pub(crate) struct Faults {
    /// Each answer with bytes ends after so many.
    pub(crate) cut_after: Option<usize>,
    /// The answer with bytes stalls after so many, until the client goes away.
    pub(crate) stall_after: Option<usize>,
    /// Ranges are not understood.
    pub(crate) ignores_ranges: bool,
    /// The bytes that are sent are others.
    pub(crate) sends_others: bool,
    /// The file is not in LFS: no hash, no redirect.
    pub(crate) is_plain: bool,
    /// All is answered with this status and this `x-error-code`.
    pub(crate) status: Option<(u16, &'static str)>,
    /// The hub's answers lack what makes them useful.
    pub(crate) is_useless: bool,
    /// The repository has another name now.
    pub(crate) is_renamed: bool,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

struct Inner {
    address: String,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    faults: Mutex<Faults>,
    log: Mutex<Vec<Asked>>,
}

/// The hub; it is reached as 127.0.0.1, and its store of files as localhost.
#[derive(Clone)]
pub(crate) struct LocalHub(Arc<Inner>);

impl LocalHub {
    /// The repository `org/tiny` with these files.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let (faults, log) = (Mutex::default(), Mutex::default());
        let hub = Self(Arc::new(Inner { address, files: Mutex::new(files), faults, log }));
        let server = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A client that goes away is no error of the hub.
                std::thread::spawn(move || drop(server.answer(stream)));
            }
        });
        hub
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(crate) fn set(&self, faults: Faults) {
        *self.0.faults.lock().expect("a lock") = faults;
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        self.0.files.lock().expect("a lock").insert(name.to_owned(), bytes.to_vec());
    }

    pub(crate) fn log(&self) -> Vec<Asked> {
        self.0.log.lock().expect("a lock").clone()
    }

    /// The ranges of the requests to the store of files, in order; `-` for none.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let log = self.log();
        let stores = log.iter().filter(|asked| asked.line.starts_with("GET /store/"));
        stores.map(|asked| asked.range.clone().unwrap_or_else(|| "-".to_owned())).collect()
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let asked = read_request(&stream)?;
        self.0.log.lock().expect("a lock").push(asked.clone());
        let faults = self.0.faults.lock().expect("a lock").clone();
        let mut words = asked.line.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if let Some((status, code)) = faults.status {
            return send(&stream, status, &format!("x-error-code: {code}\r\n"), b"no");
        }
        if path == "/api/models/org/tiny/revision/main" {
            return self.list(&stream, &faults);
        }
        if let Some(rest) = path.strip_prefix("/org/tiny/resolve/") {
            if faults.is_renamed {
                let location = format!("location: /org/new/resolve/{rest}\r\n");
                return send(&stream, 307, &location, b"");
            }
            return self.resolve(&stream, method, rest, &faults);
        }
        if let Some(rest) = path.strip_prefix("/org/new/resolve/") {
            return self.resolve(&stream, method, rest, &faults);
        }
        match path.strip_prefix("/store/").and_then(|name| self.file(name)) {
            Some(bytes) => store(stream, &bytes, &asked, &faults),
            None => send(&stream, 404, "x-error-code: RepoNotFound\r\n", b""),
        }
    }

    fn file(&self, name: &str) -> Option<Vec<u8>> {
        self.0.files.lock().expect("a lock").get(&name.replace("%20", " ")).cloned()
    }

    fn list(&self, stream: &TcpStream, faults: &Faults) -> std::io::Result<()> {
        if faults.is_useless {
            return send(stream, 200, "", b"<html>welcome to this network</html>");
        }
        let files = self.0.files.lock().expect("a lock");
        let siblings: Vec<_> = files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let list = serde_json::json!({"id": "org/tiny", "sha": COMMIT, "siblings": siblings});
        send(stream, 200, "", list.to_string().as_bytes())
    }

    fn resolve(&self, stream: &TcpStream, method: &str, rest: &str, faults: &Faults) -> std::io::Result<()> {
        let (revision, name) = rest.split_once('/').unwrap_or_default();
        if revision != "main" && revision != COMMIT {
            return send(stream, 404, "x-error-code: RevisionNotFound\r\n", b"");
        }
        let Some(bytes) = self.file(name) else {
            return send(stream, 404, "x-error-code: EntryNotFound\r\n", b"");
        };
        let commit = format!("x-repo-commit: {COMMIT}\r\n");
        if faults.is_useless {
            return send(stream, 302, "", b"");
        }
        if faults.is_plain {
            let body: &[u8] = if method == "HEAD" { b"" } else { &bytes };
            let head = format!("{commit}etag: \"1234\"\r\n");
            return send_sized(stream, 200, &head, bytes.len(), body);
        }
        let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let port = self.0.address.rsplit(':').next().unwrap_or_default();
        let head = format!(
            "{commit}x-linked-etag: \"{sha256}\"\r\nx-linked-size: {}\r\netag: \"other\"\r\n\
             location: http://localhost:{port}/store/{name}\r\n",
            bytes.len(),
        );
        send(stream, 302, &head, b"")
    }
}

/// The store of large files: knows ranges, and does not know the user.
fn store(mut stream: TcpStream, bytes: &[u8], asked: &Asked, faults: &Faults) -> std::io::Result<()> {
    let range = asked.range.as_deref().filter(|_| !faults.ignores_ranges);
    let from = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let mut body = bytes[from.unwrap_or(0)..].to_vec();
    if faults.sends_others
        && let Some(last) = body.last_mut()
    {
        *last ^= 1;
    }
    let head = match from {
        Some(from) => {
            let (last, all) = (bytes.len() - 1, bytes.len());
            format!("HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}\r\n")
        }
        None => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    write!(stream, "{head}connection: close\r\ncontent-length: {}\r\n\r\n", body.len())?;
    let sent = faults.cut_after.or(faults.stall_after).unwrap_or(body.len()).min(body.len());
    stream.write_all(&body[..sent])?;
    if faults.stall_after.is_some() {
        // Until the client closes.
        stream.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

fn read_request(stream: &TcpStream) -> std::io::Result<Asked> {
    let mut asked = Asked::default();
    let mut lines = BufReader::new(stream).lines();
    asked.line = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        let line = line?;
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("range") => asked.range = Some(value.to_owned()),
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                asked.authorization = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(asked)
}

fn send(stream: &TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
    send_sized(stream, status, headers, body.len(), body)
}

fn send_sized(
    mut stream: &TcpStream,
    status: u16,
    headers: &str,
    len: usize,
    body: &[u8],
) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status} x\r\n{headers}connection: close\r\ncontent-length: {len}\r\n\r\n")?;
    stream.write_all(body)
}
