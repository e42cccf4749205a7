//! A key pair of age.

pub const IDENTITY: &str = "AGE-SECRET-KEY-1TSZXVJNM9G56D77LK49V7U7RJE2SAPJ6ZGUZU390KUGZA69UL4ZQZT9MED";
pub const RECIPIENT: &str = "age1wk5cm2tjvspkfjvf2ldcq5nhn0lf5al28060vuv68hcehu9nypms5vykag";
