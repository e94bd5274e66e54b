//! The databases: one for the read models, one as the sample target, each owned by a role of its own.

use super::material::{DATA_SOURCE, Material};
use devkit::{Stack, postgres::SUPERUSER};

/// The role and database of the read models.
pub const READ_MODELS: &str = "read_models";

/// Makes roles and databases that are missing, and gives the sample database something to look at.
pub async fn prepare(stack: &Stack, material: &Material) -> anyhow::Result<()> {
    let postgres = stack.postgres();
    for (name, password) in
        [(READ_MODELS, &material.read_models_password), (DATA_SOURCE, &material.target_password)]
    {
        postgres.execute("postgres", &role(name, password)).await?;
        postgres.create_database(name).await?;
        // PUBLIC may connect to a new database by default: each role sees its own only.
        let own = format!(
            "REVOKE ALL ON DATABASE {name} FROM PUBLIC; ALTER DATABASE {name} OWNER TO {name};"
        );
        postgres.execute("postgres", &own).await?;
        postgres.execute(name, &format!("ALTER SCHEMA public OWNER TO {name};")).await?;
    }
    let sample = format!(
        "SET ROLE {DATA_SOURCE};
         CREATE TABLE IF NOT EXISTS public.customers (
             id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
             email text NOT NULL UNIQUE
         );
         RESET ROLE;"
    );
    postgres.execute(DATA_SOURCE, &sample).await?;
    Ok(())
}

/// Hexadecimal passwords and names of ours: nothing to quote.
fn role(name: &str, password: &str) -> String {
    format!(
        "DO $do$ BEGIN
             IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
                 CREATE ROLE {name} LOGIN;
             END IF;
         END $do$;
         ALTER ROLE {name} PASSWORD '{password}';
         GRANT {name} TO {SUPERUSER};"
    )
}

/// The URL of a role's own database.
pub fn url(stack: &Stack, name: &str, password: &str) -> String {
    format!("postgres://{name}:{password}@127.0.0.1:{}/{name}", stack.postgres().port())
}
