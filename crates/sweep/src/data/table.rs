//! A CSV of examples: numbers, and a label of any text in one column.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::file;

/// At most this many inputs in all (examples × features): 1 GiB of f64.
pub(crate) const MAX_INPUTS: usize = 1 << 27;

/// Which column holds the labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LabelColumn {
    Last,
    /// Counted from 0.
    Index(usize),
    /// By the header.
    Named(String),
}

/// The examples of a CSV file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// SHA-256 of the file's bytes.
    pub(crate) sha256: String,
    /// The column of the labels, from 0.
    pub(crate) label: usize,
    pub(crate) features: usize,
    /// What the header calls them.
    pub(crate) names: Option<Vec<String>>,
    /// Examples × features, row by row.
    pub(crate) inputs: Vec<f64>,
    /// The class of each example.
    pub(crate) labels: Vec<u32>,
    /// The distinct labels, sorted as text.
    pub(crate) classes: Vec<String>,
}

/// Something wrong with a CSV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// From 1.
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

impl Fault {
    fn whole(message: impl Into<String>) -> Vec<Self> {
        vec![Self { line: None, message: message.into() }]
    }
}

struct Row {
    line: usize,
    cells: StringRecord,
}

/// The table in `bytes`. The first row is a header if it has text among its features where the second has numbers, or if
/// the label column is given by name.
pub(crate) fn read(bytes: &[u8], label: &LabelColumn) -> Result<Table, Vec<Fault>> {
    let mut rows = rows(bytes)?;
    let Some(first) = rows.first() else { return Err(Fault::whole("the file is empty; a row an example is expected")) };
    let width = first.cells.len();
    let label_at = label_index(label, &first.cells)?;
    if width < 2 {
        return Err(Fault::whole("one column only; features and a label, separated by commas, are expected"));
    }
    let numeric = |row: &Row| features(row, label_at).all(|(_, cell)| cell.parse::<f64>().is_ok());
    let named = matches!(label, LabelColumn::Named(_));
    let header =
        if named || (!numeric(first) && rows.get(1).is_some_and(numeric)) { Some(rows.remove(0)) } else { None };
    if rows.is_empty() {
        return Err(Fault::whole("no examples; there is nothing but a header"));
    }
    let inputs = rows.len().saturating_mul(width - 1);
    if inputs > MAX_INPUTS {
        return Err(Fault::whole(format!("{inputs} numbers; at most {MAX_INPUTS} fit")));
    }

    let mut faults = Vec::new();
    let mut inputs = Vec::with_capacity(inputs);
    let mut names = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut fault = |message| faults.push(Fault { line: Some(row.line), message });
        let cells = row.cells.len();
        if cells != width {
            let which = if cells < width { "short" } else { "long" };
            fault(format!("a {which} row: {cells} fields, where the first row has {width}"));
            continue;
        }
        for (i, cell) in features(row, label_at) {
            match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => inputs.push(value),
                parsed => {
                    let name = header.as_ref().and_then(|header| header.cells.get(i));
                    let name = name.map_or(String::new(), |name| format!(" ({name})"));
                    let what = match (cell, parsed) {
                        ("", _) => "is empty; a feature is a finite number".into(),
                        (_, Ok(_)) => format!("{cell:?} is not finite; a feature is a finite number"),
                        (_, Err(_)) => format!("{cell:?} is not a number; a feature is a finite number"),
                    };
                    fault(format!("field {}{name}: {what}", i + 1));
                }
            }
        }
        match row.cells.get(label_at) {
            Some("") | None => fault(format!("field {}: the label is empty", label_at + 1)),
            Some(name) => names.push(name),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut classes: BTreeMap<&str, u32> = names.iter().map(|name| (*name, 0)).collect();
    for (class, index) in classes.values_mut().enumerate() {
        *index = u32::try_from(class).map_err(|_| Fault::whole("too many classes"))?;
    }
    match classes.len() {
        1 => {
            return Err(Fault::whole(format!(
                "only one class, {:?}, in field {}; at least two are needed",
                names.first().unwrap_or(&""),
                label_at + 1
            )));
        }
        count if count > 10_000 => {
            return Err(Fault::whole(format!("{count} classes in field {}; is it the label column?", label_at + 1)));
        }
        _ => {}
    }
    Ok(Table {
        sha256: file::sha256(bytes),
        label: label_at,
        features: width - 1,
        names: header.map(|header| features(&header, label_at).map(|(_, name)| name.to_owned()).collect()),
        inputs,
        labels: names.iter().filter_map(|name| classes.get(name).copied()).collect(),
        classes: classes.into_keys().map(str::to_owned).collect(),
    })
}

/// The cells of `row` but its label, each with its column.
fn features(row: &Row, label: usize) -> impl Iterator<Item = (usize, &str)> {
    row.cells.iter().enumerate().filter(move |(i, _)| *i != label)
}

fn rows(bytes: &[u8]) -> Result<Vec<Row>, Vec<Fault>> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut rows = Vec::new();
    let mut record = StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(rows),
            Ok(true) => {
                let line = record.position().map_or(0, csv::Position::line);
                let cells = record.clone();
                rows.push(Row { line: usize::try_from(line).unwrap_or(usize::MAX), cells });
            }
            Err(error) => {
                let line = error.position().and_then(|position| usize::try_from(position.line()).ok());
                let message = match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
                    _ => format!("no CSV: {error}"),
                };
                return Err(vec![Fault { line, message }]);
            }
        }
    }
}

fn label_index(label: &LabelColumn, first: &StringRecord) -> Result<usize, Vec<Fault>> {
    let width = first.len();
    match label {
        LabelColumn::Last => Ok(width.saturating_sub(1)),
        LabelColumn::Index(index) if *index < width => Ok(*index),
        LabelColumn::Index(index) => {
            Err(Fault::whole(format!("no label column {index}: there are {width} columns, counted from 0")))
        }
        LabelColumn::Named(name) => first.iter().position(|cell| cell == name).ok_or_else(|| {
            let columns = first.iter().take(20).collect::<Vec<_>>().join(", ");
            Fault::whole(format!("no label column {name:?} in the header; its columns are {columns}"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_or_without_a_header_and_wherever_the_label_is() {
        let plain = read(b"1,2,b\n 3 , 4.5 ,a\n5,6,b\n", &LabelColumn::Last).expect("good");
        assert_eq!((plain.features, plain.label), (2, 2));
        assert_eq!(plain.inputs, [1.0, 2.0, 3.0, 4.5, 5.0, 6.0]);
        assert_eq!(plain.labels, [1, 0, 1]);
        assert_eq!(plain.classes, ["a", "b"]);
        for (text, label) in [
            ("x,y,class\n1,2,b\n3,4.5,a\n5,6,b", LabelColumn::Last),
            ("x,y,class\n1,2,b\n3,4.5,a\n5,6,b", LabelColumn::Named("class".into())),
            ("\u{feff}class,x,y\r\nb,1,2\r\na,3,4.5\r\nb,5,6\r\n", LabelColumn::Index(0)),
            ("x,\"class\",y\n1,b,2\n\n3,a,4.5\n5,b,6", LabelColumn::Named("class".into())),
        ] {
            let table = read(text.as_bytes(), &label).expect("good");
            assert_eq!(
                (table.inputs, table.labels, table.classes),
                (plain.inputs.clone(), plain.labels.clone(), plain.classes.clone()),
                "{text}"
            );
        }
    }

    #[test]
    fn labels_that_are_numbers_are_text_all_the_same() {
        let table = read(b"1,10\n2,9\n3,10", &LabelColumn::Last).expect("good");
        assert_eq!(table.classes, ["10", "9"]);
    }

    #[test]
    fn faults_are_told_with_line_and_field() {
        let told = |text: &str, label: &LabelColumn| -> Vec<(Option<usize>, String)> {
            read(text.as_bytes(), label).expect_err(text).into_iter().map(|f| (f.line, f.message)).collect()
        };
        let of = |line: Option<usize>, message: &str| (line, message.to_owned());
        assert_eq!(
            told("w,h,class\n1,2,a\n1,x,b\n1,b\n1,2,3,b\ninf,,b\n1,2,\n", &LabelColumn::Last),
            [
                of(Some(3), "field 2 (h): \"x\" is not a number; a feature is a finite number"),
                of(Some(4), "a short row: 2 fields, where the first row has 3"),
                of(Some(5), "a long row: 4 fields, where the first row has 3"),
                of(Some(6), "field 1 (w): \"inf\" is not finite; a feature is a finite number"),
                of(Some(6), "field 2 (h): is empty; a feature is a finite number"),
                of(Some(7), "field 3: the label is empty"),
            ]
        );
        for (text, label, message) in [
            ("", LabelColumn::Last, "the file is empty; a row an example is expected"),
            ("a\nb\n", LabelColumn::Last, "one column only; features and a label, separated by commas, are expected"),
            ("1,a\n2,a\n", LabelColumn::Last, "only one class, \"a\", in field 2; at least two are needed"),
            ("x,class\n", LabelColumn::Named("class".into()), "no examples; there is nothing but a header"),
            (
                "x,y\n1,a\n",
                LabelColumn::Named("class".into()),
                "no label column \"class\" in the header; its columns are x, y",
            ),
            ("1,a\n2,b\n", LabelColumn::Index(2), "no label column 2: there are 2 columns, counted from 0"),
        ] {
            assert_eq!(told(text, &label), [of(None, message)]);
        }
        assert_eq!(
            read(b"1,a\n2,\xff\n", &LabelColumn::Last),
            Err(vec![Fault { line: Some(2), message: "not UTF-8 text".into() }])
        );
    }

    /// The paper's data, where they are: TAUGRID_AVILA names avila-tr.txt.
    #[test]
    fn avila() {
        let Some(path) = std::env::var_os("TAUGRID_AVILA").filter(|path| std::path::Path::new(path).exists()) else {
            eprintln!("skipped: TAUGRID_AVILA does not name avila-tr.txt");
            return;
        };
        let table = read(&std::fs::read(path).expect("readable"), &LabelColumn::Last).expect("good");
        assert_eq!((table.labels.len(), table.features, table.classes.len()), (10_430, 10, 12));
        assert_eq!(table.classes.concat(), "ABCDEFGHIWXY");
        assert_eq!(table.labels.iter().filter(|label| **label == 0).count(), 4286);
        assert!(table.inputs.iter().any(|x| *x >= 386.0));
    }
}
