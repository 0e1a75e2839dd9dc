//! FlatBuffers tables, read in place; every access is checked against the length of the file.
//!
//! Knows nothing about TensorFlow Lite: fields have numbers. Absent fields have the format's defaults.
//!
//! Source: <https://flatbuffers.dev/internals/>.

/// The bytes of a file; every access is checked.
#[derive(Clone, Copy)]
pub(crate) struct File<'a>(&'a [u8]);

impl<'a> File<'a> {
    /// Of these bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The root table.
    pub(crate) fn root(self) -> Result<FlatTable<'a>, String> {
        self.table_at(self.follow(0)?)
    }

    fn slice(self, start: usize, length: usize) -> Result<&'a [u8], String> {
        let end = start.checked_add(length);
        end.and_then(|end| self.0.get(start..end)).ok_or_else(|| {
            format!(
                "it refers to bytes from {start} on, but the file ends at {}; it is truncated or corrupt",
                self.0.len()
            )
        })
    }

    fn array<const SIZE: usize>(self, start: usize) -> Result<[u8; SIZE], String> {
        let mut array = [0; SIZE];
        array.copy_from_slice(self.slice(start, SIZE)?);
        Ok(array)
    }

    fn word(self, start: usize) -> Result<u32, String> {
        self.array(start).map(u32::from_le_bytes)
    }

    /// The target of the forward reference at `start`.
    fn follow(self, start: usize) -> Result<usize, String> {
        let place = start + self.word(start)? as usize;
        self.word(place)?;
        Ok(place)
    }

    fn table_at(self, start: usize) -> Result<FlatTable<'a>, String> {
        let back = i32::from_le_bytes(self.array(start)?);
        let fields = usize::try_from(start as i64 - i64::from(back))
            .map_err(|_| "a table begins before the file".to_owned())?;
        let length = usize::from(u16::from_le_bytes(self.array(fields)?));
        self.slice(fields, length)?;
        Ok(FlatTable { file: self, start, fields, length })
    }
}

/// One FlatBuffers table: fields by number, absent ones have defaults.
pub(crate) struct FlatTable<'a> {
    file: File<'a>,
    start: usize,
    fields: usize,
    length: usize,
}

impl<'a> FlatTable<'a> {
    fn place(&self, field: usize) -> Result<Option<usize>, String> {
        let slot = 4 + 2 * field;
        if slot + 2 > self.length {
            return Ok(None);
        }
        let offset = u16::from_le_bytes(self.file.array(self.fields + slot)?);
        Ok((offset != 0).then(|| self.start + usize::from(offset)))
    }

    /// Is the field present?
    pub(crate) fn has(&self, field: usize) -> bool {
        matches!(self.place(field), Ok(Some(_)))
    }

    /// A whole number of 32 bits without a sign; 0 if it is absent.
    pub(crate) fn number(&self, field: usize) -> Result<u32, String> {
        self.place(field)?.map_or(Ok(0), |place| self.file.word(place))
    }

    /// A number of one byte; 0 if it is absent.
    pub(crate) fn byte(&self, field: usize) -> Result<u8, String> {
        self.place(field)?.map_or(Ok(0), |place| self.file.array::<1>(place).map(|[byte]| byte))
    }

    /// A table; `None` if it is absent.
    pub(crate) fn table(&self, field: usize) -> Result<Option<FlatTable<'a>>, String> {
        self.place(field)?.map(|place| self.file.table_at(self.file.follow(place)?)).transpose()
    }

    /// The place of the elements, and their number.
    pub(crate) fn vector(&self, field: usize, size: usize) -> Result<(usize, usize), String> {
        let Some(place) = self.place(field)? else { return Ok((0, 0)) };
        let start = self.file.follow(place)?;
        let count = self.file.word(start)? as usize;
        self.file.slice(start + 4, count.saturating_mul(size))?;
        Ok((start + 4, count))
    }

    /// A text or a list of bytes; empty if it is absent.
    pub(crate) fn bytes(&self, field: usize) -> Result<&'a [u8], String> {
        let (start, count) = self.vector(field, 1)?;
        self.file.slice(start, count)
    }

    /// A list of whole numbers of 32 bits; empty if it is absent.
    pub(crate) fn integers(&self, field: usize) -> Result<Vec<i32>, String> {
        let (start, count) = self.vector(field, 4)?;
        (0..count).map(|index| self.file.array(start + 4 * index).map(i32::from_le_bytes)).collect()
    }

    /// The only number of a list of 32-bit floating-point numbers; `None` if it has more or fewer.
    pub(crate) fn only_float(&self, field: usize) -> Result<Option<f32>, String> {
        let (start, count) = self.vector(field, 4)?;
        (count == 1).then(|| self.file.array(start).map(f32::from_le_bytes)).transpose()
    }

    /// The only number of a list of whole numbers of 64 bits; `None` if it has more or fewer.
    pub(crate) fn only_long(&self, field: usize) -> Result<Option<i64>, String> {
        let (start, count) = self.vector(field, 8)?;
        (count == 1).then(|| self.file.array(start).map(i64::from_le_bytes)).transpose()
    }

    /// A list of tables; empty if it is absent.
    pub(crate) fn tables(&self, field: usize) -> Result<Vec<FlatTable<'a>>, String> {
        let (start, count) = self.vector(field, 4)?;
        (0..count).map(|index| self.file.table_at(self.file.follow(start + 4 * index)?)).collect()
    }

    /// The size of a buffer of more than 2 GiB, which is outside the tables: fields 1 and 2 say where in the
    /// file. 0 if there is none.
    pub(crate) fn outside_bytes(&self) -> Result<u64, String> {
        let wide = |field| -> Result<u64, String> {
            self.place(field)?.map_or(Ok(0), |place| self.file.array(place).map(u64::from_le_bytes))
        };
        let (offset, size) = (wide(1)?, wide(2)?);
        // Writers leave 0 and 1 as placeholders.
        if offset > 1 {
            let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            self.file.slice(whole(offset), whole(size))?;
            return Ok(size);
        }
        Ok(0)
    }
}
