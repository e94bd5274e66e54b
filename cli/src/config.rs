//! Where the APIs are and who asks: flags, then the environment, then one TOML file. Unknown keys are errors.

use crate::args::Global;
use crate::error::CliError;
use crate::files;
use ledger::Origin;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where `countersign dev` puts them.
const COMMAND_API: &str = "http://127.0.0.1:4610";
const QUERY_API: &str = "http://127.0.0.1:4620";
const TOKEN: &str = "COUNTERSIGN_TOKEN";
const TOKEN_FILE: &str = "COUNTERSIGN_TOKEN_FILE";

/// The configuration file.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configured {
    command_api: Option<String>,
    query_api: Option<String>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    log: Option<Origin>,
}

/// What a session needs.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where command-api is.
    pub command_api: String,
    /// Where query-api is.
    pub query_api: String,
    /// The bearer token.
    pub token: String,
    /// The log that is meant where none is named.
    pub log: Option<Origin>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({}, {}, ..)", self.command_api, self.query_api)
    }
}

/// Reads one variable of the environment.
type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads flags, environment and file.
pub fn load(global: &Global) -> Result<Settings, CliError> {
    load_with(global, &variable)
}

/// As [`load`], with the files that hold the token.
pub fn load_with_files(global: &Global) -> Result<(Settings, Vec<PathBuf>), CliError> {
    let settings = load(global)?;
    let file = file(global.config.as_deref(), &variable)?;
    let mut files = Vec::new();
    if variable(TOKEN).is_none() {
        match (variable(TOKEN_FILE), &file) {
            (Some(path), _) => files.push(path.into()),
            (None, Configured { token: Some(_), .. }) => {
                files.extend(global.config.clone().or_else(|| default_path(&variable)));
            }
            (None, Configured { token_file, .. }) => files.extend(token_file.clone()),
        }
    }
    Ok((settings, files))
}

/// Whether somebody said which platform is meant.
#[cfg(feature = "dev")]
pub fn names_an_api(global: &Global) -> bool {
    let configured = file(global.config.as_deref(), &variable);
    let is_named = |file: Configured| file.command_api.is_some() || file.query_api.is_some();
    global.api_url.is_some() || global.query_url.is_some() || configured.is_ok_and(is_named)
}

#[expect(clippy::disallowed_methods, reason = "this is where the command line reads configuration")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn load_with(global: &Global, environment: Environment<'_>) -> Result<Settings, CliError> {
    let file = file(global.config.as_deref(), environment)?;
    let token = token(&file, environment)?;
    let url = |flag: &Option<String>, configured: Option<String>, default: &str| {
        flag.clone().or(configured).unwrap_or_else(|| default.to_owned())
    };
    Ok(Settings {
        command_api: url(&global.api_url, file.command_api, COMMAND_API),
        query_api: url(&global.query_url, file.query_api, QUERY_API),
        token,
        log: file.log,
    })
}

/// The file that was named, or the user's own if there is one.
fn file(named: Option<&Path>, environment: Environment<'_>) -> Result<Configured, CliError> {
    let path = match named.map(Path::to_owned).or_else(|| default_path(environment)) {
        Some(path) if named.is_some() || path.exists() => path,
        _ => return Ok(Configured::default()),
    };
    let text = files::read_text(&path).map_err(|source| CliError::ReadFile {
        what: "the configuration",
        path: path.clone(),
        source,
    })?;
    toml::from_str(&text).map_err(|source| CliError::Config { path, source: Box::new(source) })
}

fn default_path(environment: Environment<'_>) -> Option<PathBuf> {
    let given = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = given("XDG_CONFIG_HOME").or_else(|| Some(given("HOME")?.join(".config")))?;
    Some(folder.join("countersign").join("cli.toml"))
}

fn token(file: &Configured, environment: Environment<'_>) -> Result<String, CliError> {
    let from_file = |path: PathBuf| {
        files::read_text(&path).map_err(|source| CliError::ReadFile {
            what: "the token file",
            path,
            source,
        })
    };
    let token = if let Some(token) = environment(TOKEN) {
        token
    } else if let Some(path) = environment(TOKEN_FILE) {
        from_file(path.into())?
    } else if let Some(token) = &file.token {
        token.clone()
    } else if let Some(path) = &file.token_file {
        from_file(path.clone())?
    } else {
        return Err(CliError::NoToken);
    };
    let token = token.trim();
    if token.is_empty() { Err(CliError::NoToken) } else { Ok(token.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn load(
        text: Option<&str>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Result<Settings, CliError>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("cli.toml");
        if let Some(text) = text {
            std::fs::write(&path, text)?;
        }
        let global = Global { config: text.map(|_| path), ..Global::default() };
        let variables: BTreeMap<_, _> = environment.iter().copied().collect();
        Ok(load_with(&global, &|name| variables.get(name).map(|value| (*value).to_owned())))
    }

    #[test]
    fn the_environment_outranks_the_file_and_the_file_the_defaults() {
        let text = "query_api = 'http://q'\ntoken = 'from file'\nlog = 'a.b'\n";
        let settings = load(Some(text), &[(TOKEN, "from environment\n")]).unwrap().unwrap();
        assert_eq!(settings.command_api, COMMAND_API);
        assert_eq!(settings.query_api, "http://q");
        assert_eq!(settings.token, "from environment");
        assert_eq!(settings.log, Some("a.b".parse().unwrap()));
        assert_eq!(load(Some(text), &[]).unwrap().unwrap().token, "from file");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = load(Some("tokn = 'x'\n"), &[(TOKEN, "t")]).unwrap().unwrap_err();
        assert_eq!(error.code(), "cli.config_invalid");
        assert!(error.told().contains("tokn"), "{}", error.told());
    }

    #[test]
    fn no_token_and_a_missing_file_are_named() {
        for environment in [&[][..], &[(TOKEN, " \n")]] {
            let error = load(None, environment).unwrap().unwrap_err();
            assert_eq!(error.code(), "cli.no_token");
        }
        let error = load(None, &[(TOKEN_FILE, "/nowhere/token")]).unwrap().unwrap_err();
        assert!(error.told().contains("/nowhere/token"), "{}", error.told());
        let global = Global { config: Some("/nowhere/cli.toml".into()), ..Global::default() };
        let error = load_with(&global, &|_| None).unwrap_err();
        assert!(error.told().contains("/nowhere/cli.toml"), "{}", error.told());
    }

    #[test]
    fn a_pipe_is_neither_a_token_file_nor_a_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        files::make_fifo(&pipe).unwrap();
        let path = pipe.to_str().unwrap();
        let error = load(None, &[(TOKEN_FILE, path)]).unwrap().unwrap_err();
        assert!(error.told().contains("the token file"), "{}", error.told());
        assert!(error.told().contains("not a regular file"), "{}", error.told());
        let global = Global { config: Some(pipe.clone()), ..Global::default() };
        let error = load_with(&global, &|_| None).err().unwrap();
        assert!(error.told().contains("the configuration"), "{}", error.told());
    }

    #[test]
    fn a_token_is_never_shown() {
        let settings = load(Some("token = 'hush'\n"), &[]).unwrap().unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
        let error = load(Some("token = ['hush']\n"), &[]).unwrap().unwrap_err();
        assert!(!error.told().contains("hush"), "{}", error.told());
    }
}
