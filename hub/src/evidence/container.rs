//! The one file of a package: a ZIP archive that is written in one way alone.
//!
//! Any unpacker opens it. Names and contents decide every byte (nothing is compressed, no time, no extra field, no
//! comment), so that whoever reads a package writes it again and compares: no byte of the file is free. A crate
//! that writes archives is not used, since the bytes would be those of its version.

use std::collections::BTreeSet;

use thiserror::Error;

/// Largest package, in bytes.
pub const PACKAGE_BYTES_MAX: usize = 256 << 20;
/// Most files of a package.
const FILES_MAX: usize = 2_000;
/// Longest name of a file, in bytes.
const NAME_BYTES_MAX: usize = 100;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Version 1.0 of the format: nothing but stored files.
const VERSION: u16 = 10;
/// Names are UTF-8.
const FLAGS: u16 = 0x0800;
const STORED: u16 = 0;
/// Midnight of 1 January 1980, the first that the format knows.
const TIME: u16 = 0;
const DATE: u16 = 0x0021;

/// A file is no package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ContainerError {
    /// It is not written as packages are: it was changed, cut, or is something else.
    #[error("the file is not written as a package is: byte {0} differs, or the file ends there")]
    Form(usize),
    /// It is too large, has too many files, or a name that none may have.
    #[error("the file cannot be a package: {0}")]
    Limit(&'static str),
}

/// A file within a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Its path: lower case, digits, `.`, `-` and `/`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl PackedFile {
    /// A file.
    #[must_use]
    pub fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            bytes: bytes.into(),
        }
    }
}

/// Writes a package of these files, in their order.
///
/// # Errors
/// [`ContainerError::Limit`].
pub fn write(files: &[PackedFile]) -> Result<Vec<u8>, ContainerError> {
    check(files)?;
    let mut out = Vec::new();
    let mut central = Vec::new();
    for file in files {
        let offset = small(out.len())?;
        let common = common(file)?;
        put_u32(&mut out, LOCAL);
        put_u16(&mut out, VERSION);
        out.extend(&common);
        put_u16(&mut out, 0);
        out.extend(file.path.as_bytes());
        out.extend(&file.bytes);
        put_u32(&mut central, CENTRAL);
        put_u16(&mut central, VERSION);
        put_u16(&mut central, VERSION);
        central.extend(&common);
        // No extra field, no comment, the first disk, no attributes.
        central.extend([0; 12]);
        put_u32(&mut central, offset);
        central.extend(file.path.as_bytes());
    }
    let (begins, length) = (small(out.len())?, small(central.len())?);
    let count = u16::try_from(files.len()).map_err(|_| ContainerError::Limit("too many files"))?;
    out.extend(central);
    put_u32(&mut out, END);
    out.extend([0; 4]);
    put_u16(&mut out, count);
    put_u16(&mut out, count);
    put_u32(&mut out, length);
    put_u32(&mut out, begins);
    put_u16(&mut out, 0);
    if out.len() > PACKAGE_BYTES_MAX {
        return Err(ContainerError::Limit("it is larger than 256 MiB"));
    }
    Ok(out)
}

/// The files of a package, in their order.
///
/// # Errors
/// [`ContainerError`]: then nothing of it may be used.
pub fn read(bytes: &[u8]) -> Result<Vec<PackedFile>, ContainerError> {
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(ContainerError::Limit("it is larger than 256 MiB"));
    }
    let mut files = Vec::new();
    let mut at = 0;
    while u32_at(bytes, at) == Some(LOCAL) {
        if files.len() == FILES_MAX {
            return Err(ContainerError::Limit("it has too many files"));
        }
        let file = file_at(bytes, at).ok_or(ContainerError::Form(at))?;
        at += HEAD_BYTES + file.path.len() + file.bytes.len();
        files.push(file);
    }
    let written = write(&files)?;
    match differs(&written, bytes) {
        None => Ok(files),
        Some(at) => Err(ContainerError::Form(at)),
    }
}

/// Bytes of a local header, without its name.
const HEAD_BYTES: usize = 30;

/// What its header says is there; that the header is as it should be, the comparison decides.
fn file_at(bytes: &[u8], at: usize) -> Option<PackedFile> {
    let length = usize::try_from(u32_at(bytes, at + 18)?).ok()?;
    let name = usize::from(u16_at(bytes, at + 26)?);
    let begins = at + HEAD_BYTES;
    let path = bytes.get(begins..begins.checked_add(name)?)?;
    let begins = begins + name;
    Some(PackedFile {
        path: String::from_utf8(path.to_vec()).ok()?,
        bytes: bytes.get(begins..begins.checked_add(length)?)?.to_vec(),
    })
}

fn check(files: &[PackedFile]) -> Result<(), ContainerError> {
    if files.is_empty() || files.len() > FILES_MAX {
        return Err(ContainerError::Limit("it has no file, or too many"));
    }
    let mut seen = BTreeSet::new();
    for file in files {
        let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'/');
        let parts_are_names = file
            .path
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.'));
        let fits = file.path.len() <= NAME_BYTES_MAX;
        if !fits || !parts_are_names || !file.path.bytes().all(is_plain) {
            return Err(ContainerError::Limit(
                "it has a name that no file of a package has",
            ));
        }
        if !seen.insert(file.path.as_str()) {
            return Err(ContainerError::Limit("it has two files of one name"));
        }
    }
    Ok(())
}

/// What local and central header have in common.
fn common(file: &PackedFile) -> Result<Vec<u8>, ContainerError> {
    let length = small(file.bytes.len())?;
    let name = u16::try_from(file.path.len()).map_err(|_| ContainerError::Limit("a long name"))?;
    let mut out = Vec::with_capacity(22);
    for part in [FLAGS, STORED, TIME, DATE] {
        put_u16(&mut out, part);
    }
    for part in [crc32fast::hash(&file.bytes), length, length] {
        put_u32(&mut out, part);
    }
    put_u16(&mut out, name);
    Ok(out)
}

fn small(length: usize) -> Result<u32, ContainerError> {
    u32::try_from(length).map_err(|_| ContainerError::Limit("it is too large"))
}

fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend(number.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_le_bytes());
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let part = bytes.get(at..at.checked_add(2)?)?;
    part.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let part = bytes.get(at..at.checked_add(4)?)?;
    part.try_into().ok().map(u32::from_le_bytes)
}

/// The first byte in which two differ, or where the shorter ends.
fn differs(one: &[u8], other: &[u8]) -> Option<usize> {
    let at = one.iter().zip(other).position(|(a, b)| a != b);
    let ends = one.len().min(other.len());
    at.or_else(|| (one.len() != other.len()).then_some(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<PackedFile> {
        vec![
            PackedFile::new("manifest.json", *b"{}"),
            PackedFile::new("records/0001.json", *b"PK\x03\x04 within"),
            PackedFile::new("empty", []),
        ]
    }

    #[test]
    fn a_package_comes_back_from_its_bytes_and_no_byte_of_its_form_is_free() {
        let written = write(&files()).unwrap();
        assert_eq!(read(&written).unwrap(), files());
        let contents = b"PK\x03\x04 within";
        for at in 0..written.len() {
            for bit in 0..8 {
                let mut changed = written.clone();
                changed[at] ^= 1 << bit;
                // A checksum stands in both headers, so that contents cannot change alone.
                let read = read(&changed);
                assert!(
                    read.is_err(),
                    "byte {at} bit {bit} of {}: {read:?}",
                    contents.len()
                );
            }
        }
        for end in 0..written.len() {
            assert!(read(&written[..end]).is_err(), "cut at {end}");
        }
        let longer = [&written[..], b"x"].concat();
        assert_eq!(read(&longer), Err(ContainerError::Form(written.len())));
    }

    #[test]
    fn a_file_has_a_plain_name_and_each_one_of_its_own() {
        for wrong in ["", "../a", "a//b", "/a", "A", "a b", ".a", "a/"] {
            assert!(write(&[PackedFile::new(wrong, *b"")]).is_err(), "{wrong}");
        }
        let twice = [PackedFile::new("a", *b"1"), PackedFile::new("a", *b"2")];
        assert!(write(&twice).is_err());
        assert!(write(&[]).is_err());
    }
}
