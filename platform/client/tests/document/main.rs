//! The client against the checked-in `OpenAPI` documents: what it sends is what they ask for, and what they promise is
//! enough for it.

mod calls;
mod commands;
mod documented;
mod reads;
