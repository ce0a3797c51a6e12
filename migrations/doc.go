// Package migrations holds the schema: numbered SQL files, one folder for each
// engine, embedded in the program and applied with goose.
//
// It owns tables, indexes, the PostgreSQL roles with their grants and policies,
// and the order in which they come. It does not own the statements that use them
// (package sqlstore), and it opens no database: the caller brings one.
//
// A migration that was released is never edited. There is no way down: going
// back is restoring a backup.
package migrations
