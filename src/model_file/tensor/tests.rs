//! Files as NumPy and ONNX write them, byte by byte, and the ones that must be refused.

use std::io::Write as _;
use std::path::PathBuf;

use super::*;

/// A file of version 1.0.
fn npy(descr: &str, is_fortran: bool, shape: &str, elements: &[u8]) -> Vec<u8> {
    let is_fortran = if is_fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {is_fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), elements].concat()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs_err::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str, bytes: &[u8]) -> Result<(&'static str, Vec<u64>, Vec<u8>), String> {
        let path = self.file(name, bytes);
        let format = name.rsplit_once('.').unwrap().1;
        let told = |error: TensorFileError| {
            assert!(error.hint().is_some());
            error.to_string()
        };
        let tensor = TensorFile::open(&path, format, "mel", None).map_err(told)?;
        let (element_type, shape) = (tensor.element_type, tensor.shape.clone());
        let width = match element_type {
            "float32" | "int32" => 4,
            "int64" | "float64" => 8,
            "int16" | "float16" => 2,
            _ => 1,
        };
        let mut into = vec![0xAA; elements_of(&shape) * width];
        tensor.read(&mut into).map_err(told)?;
        Ok((element_type, shape, into))
    }
}

fn elements_of(shape: &[u64]) -> usize {
    shape.iter().product::<u64>() as usize
}

fn ints(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

#[test]
fn arrays_are_read_in_either_byte_order_and_in_either_order_of_dimensions() {
    let folder = Folder::new();
    let expected = ("int32", vec![2, 3], ints(&[1, 2, 3, 4, 5, 6]));
    let little: Vec<u8> = (1..=6_i32).flat_map(i32::to_le_bytes).collect();
    let big: Vec<u8> = (1..=6_i32).flat_map(i32::to_be_bytes).collect();
    let columns: Vec<u8> = [1, 4, 2, 5, 3, 6_i32].into_iter().flat_map(i32::to_le_bytes).collect();
    for bytes in [
        npy("'<i4'", false, "(2, 3)", &little),
        npy("'>i4'", false, "(2, 3)", &big),
        npy("\"<i4\"", true, "(2, 3,)", &columns),
    ] {
        assert_eq!(folder.read("mel.npy", &bytes), Ok(expected.clone()));
    }
    let scalar = npy("'<f8'", false, "()", &1.5_f64.to_le_bytes());
    assert_eq!(folder.read("mel.npy", &scalar), Ok(("float64", vec![], 1.5_f64.to_ne_bytes().to_vec())));
    let none = npy("'|u1'", false, "(0, 3)", &[]);
    assert_eq!(folder.read("mel.npy", &none), Ok(("uint8", vec![0, 3], vec![])));
    // Three dimensions, the first the fastest: element (i, j, k) is at i + 2 j + 4 k.
    let cube = npy("'|i1'", true, "(2, 2, 2)", &[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(folder.read("mel.npy", &cube), Ok(("int8", vec![2, 2, 2], vec![0, 4, 2, 6, 1, 5, 3, 7])));
}

#[test]
fn files_that_hold_no_such_array_are_refused_in_words() {
    let folder = Folder::new();
    let refused = |bytes: &[u8]| folder.read("mel.npy", bytes).unwrap_err();
    let right = npy("'<f4'", false, "(2,)", &[0; 8]);
    insta::assert_snapshot!(refused(b""), @"it is not a complete .npy file: it ends early");
    insta::assert_snapshot!(refused(b"\x08\x08\x12\x11backbone"), @"it is not a complete .npy file: it does not begin with NumPy's signature");
    insta::assert_snapshot!(refused(&right[..40]), @"it is not a complete .npy file: it ends early");
    insta::assert_snapshot!(refused(&right[..right.len() - 1]), @"it is not a complete .npy file: float32 elements of shape [2] need 136 bytes, and it has 135");
    insta::assert_snapshot!(refused(&[&right[..], b"x"].concat()), @"it is not a complete .npy file: float32 elements of shape [2] need 136 bytes, and it has 137");
    insta::assert_snapshot!(refused(&npy("'<f4'", false, "(9223372036854775807, 4)", &[])), @"it is not a complete .npy file: float32 elements of shape [9223372036854775807, 4] need more than 2^64 bytes, and it has 128");
    insta::assert_snapshot!(refused(&npy("'<f4'", false, "(-1,)", &[])), @"it is not a complete .npy file: its header does not have the keys `descr`, `fortran_order` and `shape`");
    insta::assert_snapshot!(refused(&npy("'<f4' if __import__('os') else 1", false, "(2,)", &[0; 8])), @"it is not a complete .npy file: its header does not have the keys `descr`, `fortran_order` and `shape`");
    insta::assert_snapshot!(refused(&npy("'|O'", false, "(1,)", b"cos\nsystem\n")), @"its elements are Python objects, which would have to be unpickled");
    insta::assert_snapshot!(refused(&npy("[('x', '<f4'), ('y', [('z', '|u1')])]", false, "(1,)", &[0; 5])), @"its elements are records of several fields");
    insta::assert_snapshot!(refused(&npy("'<U3'", false, "(1,)", &[0; 12])), @"its elements are texts");
    insta::assert_snapshot!(refused(&npy("'<c8'", false, "(1,)", &[0; 8])), @"its elements are complex numbers");
    insta::assert_snapshot!(refused(&npy("'|V2'", false, "(1,)", &[0; 2])), @"its elements are raw bytes without a type, as NumPy saves bfloat16");
    insta::assert_snapshot!(refused(&npy("'|b1'", false, "(2,)", &[1, 2])), @"its elements are truth values with bytes other than 0 and 1");
    let mut long = right.clone();
    long[8..10].copy_from_slice(&u16::MAX.to_le_bytes());
    insta::assert_snapshot!(refused(&long), @"it is not a complete .npy file: its header has 65535 bytes");
    long[6] = 9;
    insta::assert_snapshot!(refused(&long), @"it is not a complete .npy file: it has the unknown version 9");
}

#[test]
fn every_cut_and_every_changed_byte_is_an_answer() {
    let folder = Folder::new();
    let right = npy("'<f4'", false, "(2, 3)", &[0; 24]);
    for end in 0..right.len() {
        assert!(folder.read("mel.npy", &right[..end]).is_err(), "{end}");
        let mut changed = right.clone();
        changed[end] ^= 0x15;
        let _ = folder.read("mel.npy", &changed);
    }
}

fn npz(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(method).large_file(true);
    for (name, bytes) in members {
        archive.start_file(*name, options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn an_archive_gives_the_array_of_the_inputs_name_stored_or_packed() {
    let folder = Folder::new();
    let mel = npy("'<i4'", false, "(3,)", &ints(&[7, 8, 9]));
    let other = npy("'<i4'", false, "(1,)", &ints(&[1]));
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let archive = npz(&[("ids.npy", &other), ("mel.npy", &mel)], method);
        assert_eq!(folder.read("all.npz", &archive), Ok(("int32", vec![3], ints(&[7, 8, 9]))));
        assert!(folder.read("all.npz", &archive[..archive.len() / 2]).is_err());
        for end in 0..archive.len() {
            let mut changed = archive.clone();
            changed[end] ^= 0x15;
            let _ = folder.read("all.npz", &changed);
        }
    }
    let archive = npz(&[("ids.npy", &other)], zip::CompressionMethod::Stored);
    insta::assert_snapshot!(folder.read("all.npz", &archive).unwrap_err(), @"it holds no array `mel`; it has `ids`");
    insta::assert_snapshot!(folder.read("all.npz", &mel).unwrap_err(), @"it is not a complete .npz file: invalid Zip archive: Could not find EOCD");
}

#[test]
fn an_archive_that_would_unpack_to_more_than_its_array_is_not_unpacked() {
    let folder = Folder::new();
    // 64 MB of zeros in 64 KB, behind a header that claims one element.
    let bomb = [npy("'<f4'", false, "(1,)", &[0; 4]), vec![0; 64 << 20]].concat();
    let archive = npz(&[("mel.npy", &bomb)], zip::CompressionMethod::Deflated);
    assert!(archive.len() < 100_000);
    insta::assert_snapshot!(folder.read("all.npz", &archive).unwrap_err(), @"it is not a complete .npz file: float32 elements of shape [1] need 132 bytes, and it has 67108996");
}

/// `TensorProto` with dims, type, and one more field.
fn pb(dims: &[u8], element_type: u8, field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for size in dims {
        bytes.extend([0x08, *size]);
    }
    bytes.extend([0x10, element_type]);
    bytes.extend(field);
    bytes
}

#[test]
fn test_data_of_onnx_is_read_from_raw_bytes_and_from_lists() {
    let folder = Folder::new();
    let raw = [&[0x4a, 8][..], &[1, 0, 0, 0, 2, 0, 0, 0]].concat();
    assert_eq!(folder.read("x.pb", &pb(&[2], 6, &raw)), Ok(("int32", vec![2], ints(&[1, 2]))));
    // int64_data 1, 300 packed; int32_data −1 unpacked as int8; float_data 1.0.
    let list = pb(&[2], 7, &[0x3a, 3, 0x01, 0xac, 0x02]);
    let expected: Vec<u8> = [1_i64, 300].into_iter().flat_map(i64::to_ne_bytes).collect();
    assert_eq!(folder.read("x.pb", &list), Ok(("int64", vec![2], expected)));
    let minus = [&[0x28][..], &[0xff; 9], &[0x01]].concat();
    assert_eq!(folder.read("x.pb", &pb(&[], 3, &minus)), Ok(("int8", vec![], vec![0xff])));
    let float = pb(&[1], 1, &[0x22, 4, 0, 0, 0x80, 0x3f]);
    assert_eq!(folder.read("x.pb", &float), Ok(("float32", vec![1], 1.0_f32.to_ne_bytes().to_vec())));

    let refused = |bytes: &[u8]| folder.read("x.pb", bytes).unwrap_err();
    insta::assert_snapshot!(refused(&pb(&[3], 6, &raw)), @"it is not a complete .pb file: tensor `` of shape [3] needs 12 bytes, and the file has 8 for it");
    insta::assert_snapshot!(refused(&pb(&[1], 8, &[0x32, 1, b'a'])), @"it is not a complete .pb file: its element type 8 is not read here");
    insta::assert_snapshot!(refused(&pb(&[1], 3, &[0x28, 0x80, 0x01])), @"it is not a complete .pb file: it holds 128, which its element type cannot");
    insta::assert_snapshot!(refused(&pb(&[1], 1, &[0x70, 1])), @"it is not a complete .pb file: its elements are in another file");
}

#[test]
fn file_of_ten_gigabytes_is_refused_by_its_size() {
    let folder = Folder::new();
    let path = folder.file("x.pb", b"");
    fs_err::File::options().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
    let error = TensorFile::open(&path, "pb", "x", Some(1000)).unwrap_err();
    insta::assert_snapshot!(error, @"it has 10737418240 bytes, more than the 1058576 that such a tensor can take");
    assert!(TensorFile::open(&path, "pb", "x", None).is_err());

    let path = folder.file("x.npy", &npy("'<f4'", false, "(2,)", &[0; 8]));
    fs_err::File::options().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
    let error = TensorFile::open(&path, "npy", "x", None).unwrap_err();
    insta::assert_snapshot!(error, @"it is not a complete .npy file: float32 elements of shape [2] need 136 bytes, and it has 10737418240");
}
