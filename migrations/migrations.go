// Package migrations holds the ClickHouse schema: numbered SQL files, one
// statement each, safe to run twice, never edited after a release. Every file
// says why its engine, partition, order and codecs are what they are.
package migrations

import "embed"

// FS holds the files NNNN_verb_noun.sql.
//
//go:embed *.sql
var FS embed.FS
