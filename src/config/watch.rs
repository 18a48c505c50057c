//! Has anything changed? The loop that asks lives elsewhere.

use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Folders inside folders are looked into this deep: a link may lead round in a circle.
const DEPTH: u8 = 8;

/// What a set of files held when it was looked at. Equal: nothing to reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// Looks at `paths`, files or folders with all that is in them. By content, not by time: Kubernetes changes a
/// mounted folder by turning a link (`..data`) round, which leaves names, and may leave times, as they were.
/// What is missing or cannot be read counts as such. A file caught half-written gives a fingerprint of its
/// own: reload when two looks in a row agree.
pub fn fingerprint(paths: &[PathBuf]) -> Fingerprint {
    let mut hash = Sha256::new();
    for path in paths {
        part(&mut hash, b"path", path.as_os_str().as_encoded_bytes());
        look(&mut hash, path, DEPTH);
    }
    Fingerprint(hash.finalize().into())
}

/// Each part with its name and length, so that no two lists of parts run together.
fn part(hash: &mut Sha256, name: &[u8], bytes: &[u8]) {
    hash.update((name.len() as u64).to_be_bytes());
    hash.update(name);
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

fn look(hash: &mut Sha256, path: &Path, depth: u8) {
    let done = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => file(hash, path),
        Ok(meta) if meta.is_dir() && depth > 0 => folder(hash, path, depth),
        // A pipe or device would not end.
        Ok(_) => Err(std::io::Error::from(std::io::ErrorKind::Unsupported)),
        Err(e) => Err(e),
    };
    if let Err(e) = done {
        part(hash, b"fault", e.kind().to_string().as_bytes());
    }
}

fn file(hash: &mut Sha256, path: &Path) -> std::io::Result<()> {
    let mut content = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut block = vec![0; 64 * 1024];
    loop {
        let n = file.read(&mut block)?;
        if n == 0 {
            break;
        }
        content.update(block.get(..n).unwrap_or_default());
    }
    part(hash, b"file", &content.finalize());
    Ok(())
}

fn folder(hash: &mut Sha256, path: &Path, depth: u8) -> std::io::Result<()> {
    let mut names = fs::read_dir(path)?.map(|e| e.map(|e| e.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    // `..data` and its kin hold what the plain names link to: once is enough.
    for name in names.iter().filter(|n| !n.as_encoded_bytes().starts_with(b"..")) {
        part(hash, b"name", OsStr::as_encoded_bytes(name));
        look(hash, &path.join(name), depth - 1);
    }
    part(hash, b"end", b"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A folder of this test's own, gone afterwards.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("orderwire-watch-{name}-{}", std::process::id()));
            drop(fs::remove_dir_all(&path));
            fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn content_counts() {
        let folder = Folder::new("content");
        let file = folder.0.join("a.toml");
        let paths = [folder.0.clone()];
        let empty = fingerprint(&paths);
        fs::write(&file, "one").unwrap();
        let one = fingerprint(&paths);
        assert_ne!(empty, one);
        fs::write(&file, "one").unwrap();
        assert_eq!(one, fingerprint(&paths));
        fs::rename(&file, folder.0.join("b.toml")).unwrap();
        assert_ne!(one, fingerprint(&paths));
        assert_ne!(fingerprint(std::slice::from_ref(&file)), fingerprint(&[folder.0.join("b.toml")]));
    }

    #[test]
    fn a_mounted_folder_changes_by_its_link() {
        let folder = Folder::new("link");
        for (version, text) in [("..v1", "old"), ("..v2", "new")] {
            fs::create_dir(folder.0.join(version)).unwrap();
            fs::write(folder.0.join(version).join("orderwire.toml"), text).unwrap();
        }
        symlink("..v1", folder.0.join("..data")).unwrap();
        symlink("..data/orderwire.toml", folder.0.join("orderwire.toml")).unwrap();
        let (file, whole) = ([folder.0.join("orderwire.toml")], [folder.0.clone()]);
        let before = (fingerprint(&file), fingerprint(&whole));
        symlink("..v2", folder.0.join("..data_tmp")).unwrap();
        fs::rename(folder.0.join("..data_tmp"), folder.0.join("..data")).unwrap();
        assert_ne!(before.0, fingerprint(&file));
        assert_ne!(before.1, fingerprint(&whole));
    }

    #[test]
    fn circles_end() {
        let folder = Folder::new("circle");
        symlink(&folder.0, folder.0.join("again")).unwrap();
        let paths = [folder.0.clone()];
        assert_eq!(fingerprint(&paths), fingerprint(&paths));
    }
}
