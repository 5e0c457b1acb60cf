//! The sample: a small file with every value type and every block type.

use crate::gguf::{Array, GgufWriter, Value};
use crate::quant::{BlockType, encode_row};

/// Entries of every scalar type and every array type.
pub(super) fn sample_metadata() -> Vec<(String, Value)> {
    let texts = || vec!["first".to_owned(), String::new(), "dritte ß".to_owned()];
    let entries = [
        ("a.string", Value::String("naïve 😀".to_owned())),
        ("a.u8", Value::U8(200)),
        ("a.i8", Value::I8(-100)),
        ("a.u16", Value::U16(60_000)),
        ("a.i16", Value::I16(-30_000)),
        ("a.u32", Value::U32(4_000_000_000)),
        ("a.i32", Value::I32(-70_000)),
        ("a.u64", Value::U64(7)),
        ("a.i64", Value::I64(i64::MIN)),
        ("a.f32", Value::F32(1.5)),
        ("a.f64", Value::F64(-0.5)),
        ("a.bool", Value::Bool(true)),
        ("list.u8", Value::Array(Array::U8(vec![1, 2, 255]))),
        ("list.i8", Value::Array(Array::I8(vec![-1, 127]))),
        ("list.u16", Value::Array(Array::U16(vec![65_535]))),
        ("list.i16", Value::Array(Array::I16(vec![-2, 2]))),
        ("list.u32", Value::Array(Array::U32(vec![9, 8]))),
        ("list.i32", Value::Array(Array::I32(vec![3, 0, 1]))),
        ("list.negative", Value::Array(Array::I32(vec![3, -1]))),
        ("list.u64", Value::Array(Array::U64(vec![u64::MAX]))),
        ("list.i64", Value::Array(Array::I64(vec![-5]))),
        ("list.f32", Value::Array(Array::F32(vec![0.25, -8.0]))),
        ("list.f64", Value::Array(Array::F64(vec![1e300]))),
        ("list.bool", Value::Array(Array::Bool(vec![true, false]))),
        ("list.string", Value::Array(Array::String(texts()))),
        ("list.list", Value::Array(Array::Array(vec![Array::U8(vec![1]), Array::String(texts())]))),
        ("list.empty", Value::Array(Array::U32(Vec::new()))),
    ];
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

/// A file with the sample metadata and one tensor of 3 rows of 256 weights for each block type.
pub(super) fn sample_file(alignment: u32) -> Vec<u8> {
    let mut writer = GgufWriter::new();
    for (key, value) in sample_metadata() {
        writer.set(key, value);
    }
    writer.set("general.alignment", Value::U32(alignment));
    let row: Vec<f32> = (0..256_i16).map(|index| f32::from(index) / 64.0 - 2.0).collect();
    for block_type in BlockType::ALL {
        let mut packed = Vec::new();
        (0..3).for_each(|_| encode_row(block_type, &row, &mut packed));
        let name = format!("weights.{}", block_type.name());
        writer.add_tensor(&name, &[256, 3], block_type, packed).expect("a sound tensor");
    }
    let mut file = Vec::new();
    writer.write(&mut file).expect("memory");
    file
}

/// Bytes of a file before the padding that precedes the data: what a reader must parse.
pub(super) fn header_bytes(file: &[u8]) -> usize {
    // The header ends with the offset of the last tensor, or with the last entry's value.
    let last = format!("weights.{}", BlockType::ALL[BlockType::ALL.len() - 1].name());
    find(file, last.as_bytes()).map_or_else(
        || find(file, b"tiny").expect("the file without tensors") + 4,
        |place| place + last.len() + 4 + 16 + 4 + 8,
    )
}

/// The place of the type number of the tensor `name` with two dimensions.
pub(super) fn type_place(file: &[u8], name: &str) -> usize {
    find(file, name.as_bytes()).expect("the tensor") + name.len() + 4 + 16
}

fn find(file: &[u8], wanted: &[u8]) -> Option<usize> {
    file.windows(wanted.len()).position(|window| window == wanted)
}
