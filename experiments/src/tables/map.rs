//! maps.parquet (one row a map) and map_points.parquet (one row a sentence of a map), and the report back.

use std::path::PathBuf;

use anyhow::Result;
use babelscope_probes::{
    align::Centring,
    project::{LayerMap, MapMethod, MapReport},
};

use super::{Table, f32s, f64s, small, strings, u32s};
use crate::manifest::MapInfo;

/// The maps.
pub(crate) const MAPS: &str = "maps.parquet";
/// Their points.
pub(crate) const POINTS: &str = "map_points.parquet";

/// The name of a method in tables and of figures.
pub(crate) fn method_name(method: MapMethod) -> &'static str {
    match method {
        MapMethod::Pca => "pca",
        MapMethod::Tsne => "tsne",
    }
}

/// Writes `layer, method, centring, explained_x, explained_y, trustworthiness, language_neighbours, meaning_neighbours, status`, and
/// for each point `layer, method, centring, language, line, x, y`; lines count from 0. `at` gives a table its place.
///
/// # Errors
/// A file is there already, or cannot be written.
pub(crate) fn write(at: impl Fn(&str) -> PathBuf, report: &MapReport) -> Result<()> {
    let maps = || report.maps.iter();
    super::write(
        &at(MAPS),
        vec![
            ("layer", u32s(maps().map(|map| small(map.layer)))),
            ("method", strings(maps().map(|map| method_name(map.method)))),
            ("centring", strings(maps().map(|map| map.centring.name()))),
            ("explained_x", f64s(maps().map(|map| map.explained.map(|e| e.0)))),
            ("explained_y", f64s(maps().map(|map| map.explained.map(|e| e.1)))),
            ("trustworthiness", f64s(maps().map(|map| map.trustworthiness))),
            ("language_neighbours", f64s(maps().map(|map| map.language_neighbours))),
            ("meaning_neighbours", f64s(maps().map(|map| map.meaning_neighbours))),
            ("status", strings(maps().map(|map| &map.status))),
        ],
    )?;
    let points = || {
        maps().flat_map(|map| {
            map.points.iter().zip(&report.languages).flat_map(move |(points, language)| {
                points.iter().zip(&report.sentences).map(move |(point, line)| (map, language, *line, *point))
            })
        })
    };
    super::write(
        &at(POINTS),
        vec![
            ("layer", u32s(points().map(|p| small(p.0.layer)))),
            ("method", strings(points().map(|p| method_name(p.0.method)))),
            ("centring", strings(points().map(|p| p.0.centring.name()))),
            ("language", strings(points().map(|p| p.1))),
            ("line", u32s(points().map(|p| small(p.2)))),
            ("x", f32s(points().map(|p| p.3.0))),
            ("y", f32s(points().map(|p| p.3.1))),
        ],
    )
}

/// Reads the report back; `info` says what is not in the tables.
///
/// # Errors
/// No such tables, or tables that contradict one another.
pub(crate) fn read(at: impl Fn(&str) -> PathBuf, info: &MapInfo) -> Result<MapReport> {
    let (maps, points) = (Table::read(&at(MAPS))?, Table::read(&at(POINTS))?);
    let named = |table: &Table| -> Result<Vec<(usize, MapMethod, Centring)>> {
        let (layers, methods, centrings) = (table.u32s("layer")?, table.strings("method")?, table.strings("centring")?);
        (layers.iter().zip(&methods).zip(&centrings).enumerate())
            .map(|(row, ((layer, method), centring))| {
                let method = [MapMethod::Pca, MapMethod::Tsne].into_iter().find(|m| method_name(*m) == method);
                let centring = Centring::ALL.into_iter().find(|c| c.name() == centring);
                let found = method.zip(centring).map(|(method, centring)| (*layer as usize, method, centring));
                found.ok_or_else(|| table.wrong(row, "a method or a centring that is not known"))
            })
            .collect()
    };
    let [x, y, trust, language, meaning] =
        ["explained_x", "explained_y", "trustworthiness", "language_neighbours", "meaning_neighbours"]
            .map(|name| maps.f64s(name));
    let (x, y, trust, language, meaning) = (x?, y?, trust?, language?, meaning?);
    let status = maps.strings("status")?;
    let keys = named(&maps)?;
    let mut all: Vec<LayerMap> = (keys.iter().enumerate())
        .map(|(row, &(layer, method, centring))| LayerMap {
            layer,
            method,
            centring,
            points: Vec::new(),
            explained: x[row].zip(y[row]),
            trustworthiness: trust[row],
            language_neighbours: language[row],
            meaning_neighbours: meaning[row],
            status: status[row].clone(),
        })
        .collect();
    let (codes, lines) = (points.strings("language")?, points.u32s("line")?);
    let (xs, ys) = (points.f32s("x")?, points.f32s("y")?);
    let mut at = 0;
    for (row, key) in named(&points)?.into_iter().enumerate() {
        // The points lie in the order of the maps, the languages and the sentences.
        while keys.get(at).is_some_and(|of| *of != key) {
            at += 1;
        }
        let Some(map) = all.get_mut(at) else {
            return Err(points.wrong(row, "it belongs to no map, or does not come in its order"));
        };
        let begins = map.points.last().is_none_or(|of| of.len() == info.sentences.len());
        if begins {
            map.points.push(Vec::with_capacity(info.sentences.len()));
        }
        let language = info.languages.get(map.points.len() - 1);
        let Some(of) = map.points.last_mut() else { continue };
        if language != Some(&codes[row]) || info.sentences.get(of.len()) != Some(&(lines[row] as usize)) {
            return Err(points.wrong(row, "its language or its line is not the one that comes next"));
        }
        of.push((xs[row], ys[row]));
    }
    let whole = |map: &LayerMap| {
        map.points.is_empty()
            || (map.points.len() == info.languages.len()
                && map.points.iter().all(|of| of.len() == info.sentences.len()))
    };
    if let Some(row) = all.iter().position(|map| !whole(map)) {
        return Err(maps.wrong(row, "some of its points are missing"));
    }
    Ok(MapReport {
        languages: info.languages.clone(),
        sentences: info.sentences.clone(),
        layers: info.layers.clone(),
        maps: all,
        neighbours: info.neighbours,
        notes: info.notes.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back_from_their_tables_exactly() {
        let map = |layer: usize, method, points: Vec<Vec<(f32, f32)>>| LayerMap {
            layer,
            method,
            centring: Centring::Language,
            explained: (method == MapMethod::Pca).then_some((0.1 + 0.2, 1.0 / 3.0)),
            trustworthiness: Some(0.1),
            language_neighbours: None,
            meaning_neighbours: Some(1.0),
            status: if points.is_empty() { "all states are equal".to_owned() } else { "ok".to_owned() },
            points,
        };
        let points = |of: f32| vec![vec![(of, 1.0 / 3.0), (0.2, -of)], vec![(0.0, f32::MIN_POSITIVE), (7.0, 8.0)]];
        let report = MapReport {
            languages: vec!["hin_Deva".into(), "arb_Arab".into()],
            sentences: vec![0, 5],
            layers: vec![0, 3],
            maps: vec![
                map(0, MapMethod::Pca, points(0.1)),
                map(3, MapMethod::Pca, Vec::new()),
                map(0, MapMethod::Tsne, points(0.3)),
                map(3, MapMethod::Tsne, points(0.4)),
            ],
            neighbours: 10,
            notes: vec!["a note".into()],
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(at, &report).unwrap();
        let info = MapInfo::of(&report);
        assert_eq!(read(at, &info).unwrap(), report);
        assert!(read(at, &MapInfo { sentences: vec![0, 6], ..info.clone() }).is_err());
        assert!(read(at, &MapInfo { sentences: vec![0, 5, 6], ..info }).is_err());
    }
}
