//! A folder as a store: temporary name, fsync, link or rename, fsync of the folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Store, StoreError, TEMPORARY, check_name, split};

/// The files under one folder. It is made with the first file.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    /// Makes temporary names unique within the process.
    next: AtomicU64,
}

impl LocalStore {
    /// The store in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), next: AtomicU64::new(0) }
    }

    fn path(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name).map(|()| self.root.join(name))
    }

    /// Writes `bytes` under a temporary name in the folder of `path`, all the way to the disk.
    fn write_temporary(&self, path: &Path, bytes: &[u8]) -> io::Result<Temporary> {
        let folder = path.parent().unwrap_or(&self.root);
        make_folder(folder)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let base = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = Temporary { path: folder.join(format!(".{base}.{}-{number}{TEMPORARY}", std::process::id())) };
        let mut file = File::create(&temporary.path)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(temporary)
    }

    fn put_at(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let temporary = self.write_temporary(path, bytes)?;
        // A link is a rename that never replaces. Where there are none (FAT, some network file systems), the look above
        // has to do: the one writer holds the folder's lock.
        match fs::hard_link(&temporary.path, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) => fs::rename(&temporary.path, path)?,
        }
        drop(temporary);
        sync_folder(path)
    }

    fn replace_at(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.write_temporary(path, bytes)?;
        fs::rename(&temporary.path, path)?;
        sync_folder(path)
    }
}

/// A half-written file, which goes when it is dropped.
struct Temporary {
    path: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Renamed files are not there any more; one that stays is removed when the dataset is opened next.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes `folder` durably, with those above it.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folder(above)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the entry of `path` in its folder durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

impl Store for LocalStore {
    fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (folder, start) = split(prefix);
        let failed = |error| StoreError::from_io(prefix, error);
        let entries = match fs::read_dir(self.root.join(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            // No name of ours is other than UTF-8.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with(start) && !name.ends_with(TEMPORARY) && !entry.path().is_dir() {
                names.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
            }
        }
        names.sort();
        Ok(names)
    }

    fn size(&self, name: &str) -> Result<u64, StoreError> {
        let path = self.path(name)?;
        fs::metadata(path).map(|data| data.len()).map_err(|error| StoreError::from_io(name, error))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        fs::read(path).map_err(|error| StoreError::from_io(name, error))
    }

    fn read_end(&self, name: &str, most: u64) -> Result<(Vec<u8>, u64), StoreError> {
        let path = self.path(name)?;
        let failed = |error| StoreError::from_io(name, error);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = vec![0; size.min(most) as usize];
        file.read_exact_at(&mut bytes, size - size.min(most)).map_err(failed)?;
        Ok((bytes, size))
    }

    fn read_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, StoreError> {
        let path = self.path(name)?;
        let failed = |error| StoreError::from_io(name, error);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        // Before the bytes are allocated: a damaged footer may ask for any number.
        if range.start > range.end || range.end > size {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let length = usize::try_from(range.end - range.start).map_err(|_| failed(io::ErrorKind::OutOfMemory.into()))?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, range.start).map_err(failed)?;
        Ok(bytes)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        self.put_at(&path, bytes).map_err(|error| StoreError::from_io(name, error))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name)?;
        self.replace_at(&path, bytes).map_err(|error| StoreError::from_io(name, error))
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let deleted = fs::remove_file(&path).and_then(|()| sync_folder(&path));
        deleted.map_err(|error| StoreError::from_io(name, error))
    }

    fn remove_folder(&self, folder: &str) -> Result<(), StoreError> {
        match fs::remove_dir(self.path(folder)?) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                Err(StoreError::from_io(folder, error))
            }
            _ => Ok(()),
        }
    }

    fn delete_all(&self, names: &[String]) -> Result<(), StoreError> {
        let mut folders = BTreeSet::new();
        for name in names {
            let path = self.path(name)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StoreError::from_io(name, error)),
                _ => folders.insert(split(name).0),
            };
        }
        // One fsync a folder: a compaction deletes parts by the thousand.
        for folder in folders {
            match sync_folder(&self.root.join(folder).join("file")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::from_io(folder, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn remove_leftovers(&self, folders: &[&str]) -> Result<(), StoreError> {
        for folder in [""].iter().chain(folders) {
            let folder = self.root.join(folder);
            let failed = |error| StoreError::from_io(&folder.to_string_lossy(), error);
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with('.') && name.ends_with(TEMPORARY) {
                    match fs::remove_file(entry.path()) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_but_the_files_is_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        store.put("trials/a", b"one").expect("put");
        store.put("trials/a", b"two").expect_err("it is there");
        store.replace("trials/a", b"three").expect("replace");
        assert_eq!(files(&folder.path().join("trials")), ["a"]);
        assert_eq!(fs::read(folder.path().join("trials/a")).expect("there"), b"three");
    }

    #[test]
    fn half_written_files_are_not_listed_and_are_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        store.put("trials/a", b"one").expect("put");
        for leftover in [".manifest.json.77-0.tmp", "trials/.b.77-1.tmp"] {
            fs::write(folder.path().join(leftover), b"half").expect("written");
        }
        fs::write(folder.path().join("trials/mine.tmp"), b"not ours").expect("written");
        assert_eq!(store.list("trials/").expect("listed"), ["trials/a"]);
        store.remove_leftovers(&["trials"]).expect("removed");
        assert_eq!(files(folder.path()), ["trials"]);
        assert_eq!(files(&folder.path().join("trials")), ["a", "mine.tmp"]);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = LocalStore::new(folder.path());
        // A folder in the way: the rename fails after the bytes were written.
        fs::create_dir_all(folder.path().join("trials/a/b")).expect("made");
        store.replace("trials/a", b"one").expect_err("a folder is in the way");
        assert_eq!(files(&folder.path().join("trials")), ["a"]);
        // A file where a folder should be.
        fs::write(folder.path().join("file"), b"").expect("written");
        store.put("file/a", b"one").expect_err("no folder");
    }
}
