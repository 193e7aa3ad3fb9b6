//! `docs/architecture.svg`: a box for each room, above all that it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::rooms::Room;

const WIDTH: usize = 96;
const HEIGHT: usize = 30;
const GAP: usize = 14;
const STOREY: usize = 74;

pub(crate) fn svg(rooms: &[Room]) -> String {
    let storeys = storeys(rooms);
    let widest = storeys.iter().map(Vec::len).max().unwrap_or_default();
    let width = widest * (WIDTH + GAP) + GAP;
    let places = places(&storeys, width);
    let height = storeys.len() * STOREY;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for room in rooms {
        for below in direct(room, rooms) {
            line(&mut svg, places[&room.name.as_str()], places[&below]);
        }
    }
    for room in rooms {
        draw(&mut svg, room, places[&room.name.as_str()]);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The ground floor last: each room as low as what it uses allows.
fn storeys(rooms: &[Room]) -> Vec<Vec<&Room>> {
    let mut floors: BTreeMap<&str, usize> = BTreeMap::new();
    // Arrows have no circle, so as many rounds as there are rooms are enough.
    for _ in rooms {
        for room in rooms {
            let above = room.uses.iter().filter_map(|name| floors.get(name.as_str())).max();
            floors.insert(&room.name, above.map_or(0, |floor| floor + 1));
        }
    }
    let top = floors.values().max().copied().unwrap_or_default();
    (0..=top)
        .rev()
        .map(|floor| rooms.iter().filter(|room| floors[room.name.as_str()] == floor).collect())
        .collect()
}

fn places<'a>(storeys: &[Vec<&'a Room>], width: usize) -> BTreeMap<&'a str, (usize, usize)> {
    let mut places = BTreeMap::new();
    for (row, storey) in storeys.iter().enumerate() {
        let left = usize::midpoint(width - storey.len() * (WIDTH + GAP), GAP);
        for (column, room) in storey.iter().enumerate() {
            places.insert(room.name.as_str(), (left + column * (WIDTH + GAP), row * STOREY + GAP));
        }
    }
    places
}

/// What a room uses itself, without what its other rooms use already: the arrows that are needed to see who is above whom.
fn direct<'a>(room: &'a Room, rooms: &'a [Room]) -> Vec<&'a str> {
    let reached: BTreeSet<&str> = room.uses.iter().flat_map(|name| below(name, rooms)).collect();
    room.uses.iter().map(String::as_str).filter(|name| !reached.contains(name)).collect()
}

fn below<'a>(name: &str, rooms: &'a [Room]) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let Some(room) = rooms.iter().find(|room| room.name == name) else { return found };
    for name in &room.uses {
        found.insert(name.as_str());
        found.extend(below(name, rooms));
    }
    found
}

fn line(svg: &mut String, (x, y): (usize, usize), (to_x, to_y): (usize, usize)) {
    let (x, y, to_x) = (x + WIDTH / 2, y + HEIGHT, to_x + WIDTH / 2);
    let _ = writeln!(svg, "<path d=\"M{x} {y} L{to_x} {to_y}\" stroke=\"#8a97a6\" fill=\"none\"/>");
}

fn draw(svg: &mut String, room: &Room, (x, y): (usize, usize)) {
    let fill = if room.is_plugin { "#fdebd0" } else { "#dfeaf6" };
    let (middle, base) = (x + WIDTH / 2, y + HEIGHT / 2 + 4);
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"{fill}\" stroke=\"#44505c\"/>\n\
         <text x=\"{middle}\" y=\"{base}\" text-anchor=\"middle\">{}</text>",
        room.name
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str, uses: &[&str]) -> Room {
        let uses = uses.iter().map(ToString::to_string).collect();
        Room { name: name.to_owned(), is_plugin: false, uses }
    }

    #[test]
    fn a_room_is_above_all_that_it_uses() {
        let rooms = [room("a", &["b", "c"]), room("b", &["c"]), room("c", &[])];
        let names: Vec<Vec<_>> = storeys(&rooms)
            .iter()
            .map(|storey| storey.iter().map(|room| room.name.as_str()).collect())
            .collect();
        assert_eq!(names, [["a"], ["b"], ["c"]]);
        assert_eq!(direct(&rooms[0], &rooms), ["b"], "c is below b");
    }
}
