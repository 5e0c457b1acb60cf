//! Chat completions over real HTTP: what is asked, what is answered, what is refused, and who leaves.

mod speaker;
mod asked;
mod answers;
mod streams;
mod mistakes;
mod leaving;
