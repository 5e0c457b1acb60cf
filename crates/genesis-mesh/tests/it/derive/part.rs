//! Parts of states.

use genesis_mesh::{Part, State};

#[derive(State, Debug, Default, Clone)]
struct Blog {
    title: String,
    #[reduce(append)]
    log: Vec<String>,
    words: u32,
}

#[derive(Part, Debug, PartialEq)]
#[part(of = Blog)]
struct Titled {
    log: Vec<String>,
    title: String,
}

#[derive(State, Debug, Default, Clone)]
struct Book {
    words: u32,
}

#[derive(Part, Debug, PartialEq)]
#[part(of = Blog)]
#[part(of = Book)]
struct Counted {
    words: u32,
}

#[test]
fn a_part_has_clones_of_its_fields() {
    let blog = Blog { title: "a".to_owned(), log: vec!["b".to_owned()], words: 3 };
    let titled = Titled { log: vec!["b".to_owned()], title: "a".to_owned() };
    assert_eq!(Titled::part(&blog), titled);
    assert_eq!(Titled::from(&blog), titled);
}

#[test]
fn a_part_can_be_of_several_states() {
    assert_eq!(Counted::part(&Blog { words: 3, ..Blog::default() }), Counted { words: 3 });
    assert_eq!(Counted::part(&Book { words: 4 }), Counted { words: 4 });
}
