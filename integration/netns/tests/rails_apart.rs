//! What keeps the rails of a pod apart: no route of one is merged with that of another, no router moves them, and a pod
//! that does not want to be detached is.

#[path = "rails_apart/advertised.rs"]
mod advertised;
#[path = "rails_apart/detached.rs"]
mod detached;
#[path = "rails_apart/masters.rs"]
mod masters;
#[path = "rails_apart/merged.rs"]
mod merged;
#[path = "rails_apart/scene.rs"]
mod scene;
