// SPDX-License-Identifier: GPL-2.0-only
//! Writes the JSON schemas into `docs/schema`: `cargo run -p scenario --example schema`.

use scenario::schema::Kind;

fn main() -> std::io::Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema");
    std::fs::create_dir_all(folder)?;
    for kind in Kind::ALL {
        std::fs::write(format!("{folder}/{}", kind.file()), kind.schema())?;
    }
    Ok(())
}
