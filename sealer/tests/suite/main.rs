//! The sealer over a real nats-server and a real archive folder; its processes are killed with `kill -9`.

mod faithful;
mod forked_witness;
mod killed;
mod refusing;
mod rotated;
mod witness;
mod witnessed;
mod world;
