//! Hostile files: each is refused with the code and the field that the documentation promises.

use super::*;

/// Writes a file field by field, also where that makes no sense.
struct Raw(Vec<u8>);

impl Raw {
    /// Magic, version 3 and these counts.
    fn head(tensor_count: u64, entry_count: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensor_count).u64(entry_count)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    fn text(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    /// A description of the tensor `t`.
    fn tensor(self, dims: &[u64], type_number: u32, offset: u64) -> Self {
        let start = self.text("t").u32(dims.len() as u32);
        dims.iter().fold(start, |raw, dim| raw.u64(*dim)).u32(type_number).u64(offset)
    }

    fn zeros(self, count: usize) -> Self {
        self.bytes(&vec![0; count])
    }
}

/// One entry `k` with a value of `type_number`, of which `bytes` are there.
fn entry(type_number: u32, bytes: &[u8]) -> Raw {
    Raw::head(0, 1).text("k").u32(type_number).bytes(bytes)
}

/// One entry `k` that is an array of `len` items of `item_number`, with room for 64 bytes of items.
fn array(item_number: u32, len: u64) -> Raw {
    Raw::head(0, 1).text("k").u32(9).u32(item_number).u64(len).zeros(64)
}

/// One tensor `t`, with 256 bytes of data after its description.
fn tensor(dims: &[u64], type_number: u32, offset: u64) -> Raw {
    let raw = Raw::head(1, 0).tensor(dims, type_number, offset);
    let padding = raw.0.len().next_multiple_of(32) - raw.0.len();
    raw.zeros(padding + 256)
}

fn alignment(type_number: u32, bytes: &[u8]) -> Raw {
    Raw::head(0, 1).text("general.alignment").u32(type_number).bytes(bytes)
}

fn nested(levels: usize) -> Raw {
    let start = Raw::head(0, 1).text("k").u32(9);
    (0..levels).fold(start, |raw, _| raw.u32(9).u64(1)).u32(0).u64(0).zeros(64)
}

fn check(case: &str, raw: &Raw, code: &str, field: &str) {
    let error = Header::read(&raw.0).expect_err(case);
    let message = error.to_string();
    assert_eq!(error.code(), code, "{case}: {message}");
    assert!(message.contains(field), "{case}: {message} should name {field}");
    assert!(!message.contains('\n') && message.len() < 400, "{case}: {message}");
}

#[test]
fn a_foreign_or_unknown_head_is_named() {
    for foreign in
        [b"".as_slice(), b"G", b"GGU", b"ggml", b"FUGG", b"\x7fELF\x02\x01", b"PK\x03\x04zip", b"{\"a\":1}"]
    {
        check("foreign", &Raw(foreign.to_vec()), "gguf_foreign", "`magic`: expected \"GGUF\", found \"");
    }
    for version in [0, 1, 4, 99, u32::MAX] {
        let raw = Raw(b"GGUF".to_vec()).u32(version).zeros(64);
        check(
            "version",
            &raw,
            "gguf_version",
            &format!("`version`: expected 2 or 3 (little-endian), found {version}"),
        );
    }
    let big_endian = Raw(b"GGUF".to_vec()).bytes(&3_u32.to_be_bytes()).zeros(64);
    check("big-endian", &big_endian, "gguf_version", "big-endian");
    check("no version", &Raw(b"GGUF".to_vec()), "gguf_truncated", "`version`");
    check("no counts", &Raw(b"GGUF".to_vec()).u32(3), "gguf_truncated", "`tensor_count`");
    check("one count", &Raw(b"GGUF".to_vec()).u32(3).u64(0), "gguf_truncated", "`metadata_kv_count`");
}

#[test]
fn a_count_that_the_file_cannot_hold_is_named_before_anything_is_reserved() {
    for count in [1, 8, 1 << 20, 1 << 33, 1 << 60, i64::MAX as u64, u64::MAX] {
        check("tensors", &Raw::head(count, 0), "gguf_truncated", "`tensor_count`");
        check("entries", &Raw::head(0, count), "gguf_truncated", "`metadata_kv_count`");
        check(
            "key",
            &Raw::head(0, 1).u64(count.saturating_add(1 << 6)).zeros(16),
            "gguf_truncated",
            "key of metadata entry 0",
        );
    }
    for item_number in 0..=12 {
        for len in [65, 1 << 33, 1 << 60, u64::MAX / 8, u64::MAX] {
            check("array", &array(item_number, len), "gguf_truncated", "metadata key `k`");
        }
    }
    for len in [65, 1 << 60, u64::MAX] {
        check("string", &entry(8, &[]).u64(len).zeros(64), "gguf_truncated", "metadata key `k`");
        check(
            "string in array",
            &Raw::head(0, 1).text("k").u32(9).u32(8).u64(2).text("a").u64(len).zeros(8),
            "gguf_truncated",
            "`k`",
        );
        check("tensor name", &Raw::head(1, 0).u64(len).zeros(40), "gguf_truncated", "name of tensor 0");
    }
    let used_up = Raw::head(2, 1).text("k").u32(8).text(&"x".repeat(80));
    check("metadata takes the tensors' room", &used_up, "gguf_truncated", "`tensor_count`");
}

#[test]
fn a_value_that_the_format_forbids_is_named() {
    for number in [13, 99, u32::MAX] {
        check(
            "value type",
            &entry(number, &[0; 16]),
            "gguf_invalid",
            "metadata key `k`: expected a value type",
        );
        check("item type", &array(number, 1), "gguf_invalid", "metadata key `k`: expected an item type");
    }
    for byte in [2, 255] {
        check("bool", &entry(7, &[byte, 0]), "gguf_invalid", "metadata key `k`: expected a bool of 0 or 1");
        let bools = Raw::head(0, 1).text("k").u32(9).u32(7).u64(2).bytes(&[1, byte]);
        check("bools", &bools, "gguf_invalid", "metadata key `k`");
    }
    check(
        "text",
        &entry(8, &[]).u64(3).bytes(b"a\xff\xfe"),
        "gguf_invalid",
        "metadata key `k`: expected UTF-8",
    );
    check(
        "key bytes",
        &Raw::head(0, 1).u64(3).bytes(b"\xc3\x28a").zeros(16),
        "gguf_invalid",
        "key of metadata entry 0",
    );
    check("empty key", &Raw::head(0, 1).text("").u32(0).zeros(16), "gguf_invalid", "key of metadata entry 0");
    check("long key", &Raw::head(0, 1).text(&"k".repeat(65_536)).u32(0).zeros(1), "gguf_invalid", "65535");
    check("deep", &nested(4), "gguf_invalid", "nested at most 4 deep");
    check("very deep", &nested(100_000), "gguf_invalid", "nested at most 4 deep");
    assert!(Header::read(&nested(3).0).is_ok(), "the bound itself is allowed");
    let control = Raw::head(0, 1).text(&format!("\x1b[2J\n{}", "k".repeat(500))).u32(77).zeros(8);
    check("a hostile key in the message", &control, "gguf_invalid", "\\u{1b}[2J\\n");
    for number in [0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12] {
        check("cut scalar", &entry(number, &[]), "gguf_truncated", "");
    }
}

#[test]
fn a_bad_alignment_is_named() {
    for value in [0, 3, 24, 33, u32::MAX] {
        check(
            "alignment",
            &alignment(4, &value.to_le_bytes()),
            "gguf_invalid",
            "`general.alignment`: expected a power of two",
        );
    }
    check("text", &alignment(8, &[]).text("32"), "gguf_wrong_type", "`general.alignment`");
    check("negative", &alignment(5, &(-32_i32).to_le_bytes()), "gguf_wrong_type", "found i32 -32");
    check("float", &alignment(6, &32.0_f32.to_le_bytes()), "gguf_wrong_type", "found f32 32");
    let huge = Raw::head(1, 1).text("general.alignment").u32(4).u32(1 << 31).tensor(&[1], 0, 0).zeros(64);
    check("data would start past the end", &huge, "gguf_out_of_file", "tensor `t`");
}

#[test]
fn a_tensor_that_cannot_be_is_named() {
    let sound = tensor(&[32, 2], 0, 0);
    assert!(Header::read(&sound.0).is_ok(), "what the cases below vary is sound");
    for dims in [[].as_slice(), &[32, 1, 1, 1, 1], &[1; 9]] {
        check(
            "dimensions",
            &tensor(dims, 0, 0),
            "gguf_invalid",
            "tensor `t`, number of dimensions: expected 1 to 4",
        );
    }
    for dims in [[0].as_slice(), &[32, 0], &[0, 0, 0, 0]] {
        check(
            "no weights",
            &tensor(dims, 0, 0),
            "gguf_invalid",
            "tensor `t`, dimensions: expected numbers from 1",
        );
    }
    let overflows: [&[u64]; 5] = [
        &[1 << 63, 1 << 63],
        &[1 << 32, 1 << 32, 1 << 32],
        &[u64::MAX],
        &[1 << 62, 4],
        &[1 << 16, 1 << 16, 1 << 16, 1 << 16],
    ];
    for dims in overflows {
        check(
            "overflow",
            &tensor(dims, 0, 0),
            "gguf_invalid",
            "tensor `t`, dimensions: expected a tensor that fits",
        );
    }
    for (dims, type_number) in
        [([31_u64, 2], 2), ([33, 2], 3), ([48, 1], 8), ([32, 8], 12), ([255, 1], 13), ([576, 1], 14)]
    {
        check(
            "blocks",
            &tensor(&dims, type_number, 0),
            "gguf_invalid",
            "tensor `t`, dimensions: expected columns in blocks of",
        );
    }
    for offset in [1, 31, 33, u64::MAX] {
        check(
            "alignment",
            &tensor(&[32], 0, offset),
            "gguf_invalid",
            "tensor `t`, offset: expected a multiple of the alignment 32",
        );
    }
    for offset in [288, 1 << 40, u64::MAX - 31, u64::MAX - 63, 1 << 63] {
        check("offset", &tensor(&[32, 2], 0, offset), "gguf_out_of_file", "tensor `t`");
    }
    for dims in [[32, 3], [1 << 40, 1], [1 << 30, 1 << 30], [1, 65]] {
        check("size", &tensor(&dims, 0, 0), "gguf_out_of_file", "tensor `t`");
    }
    check("empty name", &Raw::head(1, 0).text("").zeros(64), "gguf_invalid", "name of tensor 0");
    check("long name", &Raw::head(1, 0).text(&"n".repeat(65)).zeros(64), "gguf_invalid", "name of tensor 0");
    check(
        "name bytes",
        &Raw::head(1, 0).u64(2).bytes(b"\xff\xff").zeros(64),
        "gguf_invalid",
        "name of tensor 0",
    );
}

#[test]
fn a_name_that_stands_twice_is_named() {
    let keys =
        Raw::head(0, 3).text("k").u32(0).zeros(1).text("other").u32(0).zeros(1).text("k").u32(7).zeros(1);
    check("keys", &keys, "gguf_duplicate", "metadata key `k`");
    let tensors = Raw::head(2, 0).tensor(&[8], 0, 0).tensor(&[8], 0, 32).zeros(128);
    check("tensors", &tensors, "gguf_duplicate", "tensor `t`");
}
