//! The sealer over a real nats-server and a real archive folder; its processes are killed with `kill -9`.

mod command_line;
mod faithful;
mod forged_answers;
mod forked_witness;
mod gaps;
mod killed;
mod refusing;
mod restored;
mod rotated;
mod successor;
mod witness;
mod witnessed;
mod world;
