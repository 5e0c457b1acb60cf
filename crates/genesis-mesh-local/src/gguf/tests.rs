//! Tests of the GGUF reader and writer: what is written reads back, and no file at all does harm.

mod hostile;
mod sample;

use super::header::Header;
use super::*;
use crate::quant::encode_row;
use proptest::prelude::*;
use sample::{header_bytes, sample_file, sample_metadata};
use std::io::Write as _;

fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    file
}

#[test]
fn a_written_file_reads_back_equal() {
    let file = on_disk(&sample_file(64));
    let gguf = Gguf::open(file.path()).expect("a sound file");
    let read: Vec<_> = gguf.metadata().iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    let mut written = sample_metadata();
    written.push(("general.alignment".to_owned(), Value::U32(64)));
    assert_eq!(read, written);
    let tensors: Vec<_> = gguf.tensors().collect::<Result<_, _>>().expect("known types");
    assert_eq!(tensors.len(), BlockType::ALL.len());
    for (tensor, block_type) in tensors.iter().zip(BlockType::ALL) {
        let row: Vec<f32> = (0..256_i16).map(|index| f32::from(index) / 64.0 - 2.0).collect();
        let mut packed = Vec::new();
        (0..3).for_each(|_| encode_row(block_type, &row, &mut packed));
        let expected = Tensor { name: tensor.name, dims: &[256, 3], block_type, data: &packed };
        assert_eq!(*tensor, expected);
        assert_eq!(tensor.name, format!("weights.{}", block_type.name()));
        assert!(tensor.data.as_ptr().addr().is_multiple_of(64), "{} is aligned", tensor.name);
    }
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    assert_eq!(sample_file(32), sample_file(32));
}

#[test]
fn a_file_without_tensors_may_end_with_its_metadata() {
    let mut writer = GgufWriter::new();
    writer.set("general.name", Value::String("tiny".to_owned()));
    let mut file = Vec::new();
    writer.write(&mut file).expect("memory");
    let padded = Header::read(&file).expect("sound");
    assert_eq!(padded.metadata.string("general.name").expect("text"), "tiny");
    let end = header_bytes(&file);
    assert!(Header::read(&file[..end]).is_ok(), "the padding after the last entry may be missing");
}

#[test]
fn version_2_reads_like_version_3() {
    let mut file = sample_file(32);
    file[4..8].copy_from_slice(&2_u32.to_le_bytes());
    assert!(Header::read(&file).is_ok());
}

#[test]
fn accessors_convert_what_loses_nothing_and_name_the_key_otherwise() {
    let metadata = Metadata::new(sample_metadata()).expect("no key twice");
    assert_eq!(metadata.string("a.string").ok(), Some("naïve 😀"));
    assert_eq!(metadata.u32("a.u8").ok(), Some(200));
    assert_eq!(metadata.u32("a.u64").ok(), Some(7));
    assert_eq!(metadata.f32("a.f64").ok(), Some(-0.5));
    assert_eq!(metadata.bool("a.bool").ok(), Some(true));
    assert_eq!(metadata.strings("list.string").expect("texts").len(), 3);
    assert_eq!(metadata.u32s("list.i32").ok(), Some([3, 0, 1].as_slice()));
    assert_eq!(metadata.f32s("list.f32").ok(), Some([0.25, -8.0].as_slice()));
    assert!(matches!(metadata.find_string("no.such.key"), Ok(None)));

    let message = |error: GgufError| format!("{}: {error}", error.code());
    assert_eq!(
        message(metadata.u32("no.such.key").unwrap_err()),
        "gguf_missing_key: metadata key `no.such.key`: expected a number from 0 to 4294967295, found nothing"
    );
    assert_eq!(
        message(metadata.find_u32("a.i32").unwrap_err()),
        "gguf_wrong_type: metadata key `a.i32`: expected a number from 0 to 4294967295, found i32 -70000"
    );
    assert_eq!(
        message(metadata.strings("a.string").unwrap_err()),
        "gguf_wrong_type: metadata key `a.string`: expected an array of strings, found a string"
    );
    let errors = [
        metadata.find_string("a.u8").map(drop),
        metadata.find_f32("a.u8").map(drop),
        metadata.find_bool("a.u8").map(drop),
        metadata.find_u32s("list.negative").map(drop),
        metadata.find_f32s("list.i32").map(drop),
        metadata.find_u32("a.f32").map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!(error.code(), "gguf_wrong_type", "{error}");
    }
}

#[test]
fn a_tensor_of_an_unread_type_is_named_only_when_it_is_asked_for() {
    let mut file = sample_file(32);
    let (q4_k, unknown) =
        (sample::type_place(&file, "weights.Q4_K"), sample::type_place(&file, "weights.Q6_K"));
    file[q4_k..q4_k + 4].copy_from_slice(&23_u32.to_le_bytes());
    file[unknown..unknown + 4].copy_from_slice(&4711_u32.to_le_bytes());
    let file = on_disk(&file);
    let gguf = Gguf::open(file.path()).expect("the other tensors can be read");
    assert!(gguf.tensor("weights.Q4_0").is_ok());
    assert_eq!(
        gguf.find_tensor("weights.Q4_K").unwrap_err().to_string(),
        "tensor `weights.Q4_K`: ggml type 23 (IQ4_XS) is not supported"
    );
    assert_eq!(
        gguf.tensor("weights.Q6_K").unwrap_err().to_string(),
        "tensor `weights.Q6_K`: ggml type 4711 is not supported"
    );
    assert_eq!(gguf.tensors().filter(Result::is_err).count(), 2);
    assert_eq!(gguf.tensor("output.weight").unwrap_err().code(), "gguf_missing_tensor");
    assert!(matches!(gguf.find_tensor("output.weight"), Ok(None)));
}

#[test]
fn what_is_no_file_is_an_io_error_with_its_path() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [folder.path().to_owned(), folder.path().join("absent.gguf")] {
        let error = Gguf::open(&path).unwrap_err();
        assert_eq!(error.code(), "gguf_io");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
    assert_eq!(Gguf::open(on_disk(b"").path()).unwrap_err().code(), "gguf_foreign");
}

#[test]
fn a_file_cut_at_any_byte_names_the_field_that_is_cut() {
    let file = sample_file(32);
    let header = header_bytes(&file);
    for end in 0..header {
        let error = Header::read(&file[..end]).expect_err("a part of the header is missing");
        let message = error.to_string();
        let known =
            ["header field `", "key of metadata entry ", "metadata key `", "name of tensor ", "tensor `"];
        assert!(known.iter().any(|field| message.starts_with(field)), "cut at {end}: {message}");
        let expected = if end < 4 { "gguf_foreign" } else { "gguf_truncated" };
        assert_eq!(error.code(), expected, "cut at {end}: {message}");
    }
    for end in header..file.len() {
        let error = Header::read(&file[..end]).expect_err("the last tensor is cut");
        assert_eq!(error.code(), "gguf_out_of_file", "cut at {end}: {error}");
    }
}

#[test]
fn the_writer_refuses_what_no_reader_would_take() {
    let mut writer = GgufWriter::new();
    let mut add = |name: &str, dims: &[usize], bytes: usize| {
        writer.add_tensor(name, dims, BlockType::Q8_0, vec![0; bytes]).map_err(|error| error.to_string())
    };
    assert_eq!(add("a", &[32, 2], 68), Ok(()));
    assert_eq!(add("a", &[32], 34), Err("tensor `a` stands twice in the file".to_owned()));
    assert_eq!(add("b", &[32], 33), Err("tensor `b`, data: expected 34 bytes, found 33".to_owned()));
    assert_eq!(
        add("b", &[31], 34),
        Err("tensor `b`, dimensions: expected columns in blocks of 32 (Q8_0), found 31".to_owned())
    );
    assert!(add("b", &[], 0).is_err());
    assert!(add("b", &[32, 0], 0).is_err());
    assert!(add("b", &[32, 1, 1, 1, 1], 34).is_err());
    assert!(add("b", &[1 << 40, 1 << 40], 34).is_err());
    assert!(add("", &[32], 34).is_err());
    assert!(add(&"x".repeat(65), &[32], 34).is_err());
    writer.set("general.alignment", Value::U32(24));
    let error = writer.write(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("general.alignment"), "{error}");
}

#[test]
fn repacking_changes_matrices_of_whole_blocks_and_nothing_else() {
    let mut writer = GgufWriter::new();
    writer.set("general.architecture", Value::String("llama".to_owned()));
    writer.set("general.file_type", Value::U32(0));
    let weights: Vec<f32> = (0..512_i16).map(|index| f32::from(index % 61) - 30.0).collect();
    let mut bytes = Vec::new();
    encode_row(BlockType::F32, &weights, &mut bytes);
    writer.add_tensor("matrix", &[256, 2], BlockType::F32, bytes.clone()).expect("fits");
    writer.add_tensor("narrow", &[128, 4], BlockType::F32, bytes.clone()).expect("fits");
    writer.add_tensor("vector", &[512], BlockType::F32, bytes.clone()).expect("fits");
    let mut file = Vec::new();
    writer.write(&mut file).expect("memory");
    let file = on_disk(&file);
    let source = Gguf::open(file.path()).expect("sound");

    let (repacked, changed) = source.repack(BlockType::Q6K).expect("every type is known");
    assert_eq!(changed, 1);
    let mut file = Vec::new();
    repacked.write(&mut file).expect("memory");
    let file = on_disk(&file);
    let repacked = Gguf::open(file.path()).expect("sound");
    assert_eq!(repacked.metadata().string("general.architecture").ok(), Some("llama"));
    assert_eq!(repacked.metadata().u32("general.file_type").ok(), Some(18));
    let mut packed = Vec::new();
    encode_row(BlockType::Q6K, &weights, &mut packed);
    let matrix = repacked.tensor("matrix").expect("there");
    assert_eq!(
        (matrix.block_type, matrix.dims, matrix.data),
        (BlockType::Q6K, [256, 2].as_slice(), &*packed)
    );
    for name in ["narrow", "vector"] {
        assert_eq!(repacked.tensor(name).ok(), source.tensor(name).ok());
    }
}

/// A header that was accepted keeps its promise: each tensor's bytes are in the file and fit its shape.
fn assert_sound(header: &Header, file: &[u8]) {
    for tensor in &header.tensors {
        if let Packing::Known(block_type, range) = &tensor.packing {
            let (columns, rows) = tensor.dims().split_first().expect("a dimension");
            let row_bytes = block_type.row_bytes(*columns).expect("whole blocks");
            let bytes = file.get(range.clone()).expect("in the file");
            assert_eq!(bytes.len(), row_bytes * rows.iter().product::<usize>());
        }
    }
    assert!(header.metadata.iter().all(|(key, _)| header.metadata.get(key).is_some()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn flipped_bits_give_an_error_or_a_sound_file(flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..9)) {
        let mut file = sample_file(32);
        let header = header_bytes(&file);
        for (place, bit) in flips {
            file[place.index(header)] ^= 1 << bit;
        }
        match Header::read(&file) {
            Ok(header) => assert_sound(&header, &file),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn replaced_words_give_an_error_or_a_sound_file(
        place in any::<prop::sample::Index>(),
        word in prop_oneof![any::<u64>(), 0..300_u64, Just(u64::MAX), Just(1 << 60), Just(1 << 32), Just(u64::MAX - 31)],
    ) {
        let mut file = sample_file(32);
        let place = place.index(header_bytes(&file) - 8);
        file[place..place + 8].copy_from_slice(&word.to_le_bytes());
        if let Ok(header) = Header::read(&file) {
            assert_sound(&header, &file);
        }
    }

    #[test]
    fn noise_behind_a_sound_start_is_an_error_or_a_sound_file(noise in prop::collection::vec(any::<u8>(), 0..200), counts in (0..3_u64, 0..4_u64)) {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(counts.0.to_le_bytes());
        file.extend(counts.1.to_le_bytes());
        file.extend(noise);
        if let Ok(header) = Header::read(&file) {
            assert_sound(&header, &file);
        }
    }
}
