package history

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// FileName is that of the file in a state directory.
const FileName = "history.db"

// Path returns where the history of a state directory is.
func Path(dir string) string { return filepath.Join(dir, FileName) }

// ErrNewer is told of a file that a newer rouse has written.
var ErrNewer = errors.New("a newer rouse has written it: use that one, or move the file away")

// migrations lead from each version of the file to the next one. What was released is never changed.
var migrations = []string{
	// 1
	`CREATE TABLE facts (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL, body TEXT NOT NULL);
	CREATE INDEX facts_at ON facts (at);
	CREATE INDEX facts_target ON facts (target, id);
	CREATE TABLE connections (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, target TEXT NOT NULL, route TEXT NOT NULL, client TEXT NOT NULL,
		epoch INTEGER NOT NULL, waited INTEGER NOT NULL, lasted INTEGER NOT NULL, sent INTEGER NOT NULL, received INTEGER NOT NULL,
		ended TEXT NOT NULL, error TEXT NOT NULL, visited INTEGER NOT NULL);
	CREATE INDEX connections_target ON connections (target, at);
	CREATE INDEX connections_open ON connections (target) WHERE ended = '';
	CREATE TABLE starts (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, target TEXT NOT NULL, epoch INTEGER NOT NULL, cause TEXT NOT NULL,
		took INTEGER NOT NULL, ok INTEGER NOT NULL, error TEXT NOT NULL);
	CREATE INDEX starts_target ON starts (target, at);
	CREATE TABLE intervals (id INTEGER PRIMARY KEY, target TEXT NOT NULL, state TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER);
	CREATE INDEX intervals_target ON intervals (target, since);
	CREATE TABLE uses (id INTEGER PRIMARY KEY, target TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL, arrivals INTEGER NOT NULL);
	CREATE INDEX uses_target ON uses (target, since);
	CREATE TABLE hours (target TEXT NOT NULL, hour INTEGER NOT NULL, arrivals INTEGER NOT NULL DEFAULT 0, waits INTEGER NOT NULL DEFAULT 0,
		waited INTEGER NOT NULL DEFAULT 0, longest INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
		PRIMARY KEY (target, hour)) WITHOUT ROWID;
	CREATE TABLE traffic (target TEXT NOT NULL, at INTEGER NOT NULL, sent INTEGER NOT NULL, received INTEGER NOT NULL,
		PRIMARY KEY (target, at)) WITHOUT ROWID;
	CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;`,
}

// open opens the file for who writes it, and brings it to the newest version.
func open(ctx context.Context, path string) (*sql.DB, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would let others read a new one
	if err != nil {
		return nil, err
	}
	if err := errors.Join(file.Chmod(0o600), file.Close()); err != nil {
		return nil, err
	}
	if version, err := versionOf(ctx, path); err != nil || version > len(migrations) {
		return nil, cmp.Or(err, ErrNewer)
	}
	db, err := sql.Open("sqlite", address(path, "_pragma=auto_vacuum(incremental)", "_pragma=journal_mode(wal)", "_pragma=synchronous(normal)", "_txlock=immediate"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4) // one writes, the others answer questions
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// versionOf reads the version of a file, and writes nothing.
func versionOf(ctx context.Context, path string) (version int, err error) {
	db, err := sql.Open("sqlite", address(path, "_pragma=query_only(true)"))
	if err != nil {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version)
	return version, errors.Join(err, db.Close())
}

// address is how the driver is told of a file and what is set for each connection to it.
func address(path string, settings ...string) string {
	settings = append(settings, "_pragma=busy_timeout(5000)", "_pragma=trusted_schema(off)", "_pragma=cell_size_check(on)")
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: path}
	return u.String() + "?" + strings.Join(settings, "&")
}

// migrate takes the steps from the version of the file to the newest, each in a transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, migrations[version]+fmt.Sprintf("\nPRAGMA user_version = %d;", version+1)); err != nil {
			return errors.Join(fmt.Errorf("bringing it to version %d: %w", version+1, err), tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// damaged says whether an error tells that the file itself is of no use.
func damaged(err error) bool {
	const notADatabase, corrupt = 26, 11 // SQLITE_NOTADB, SQLITE_CORRUPT
	coded, ok := errors.AsType[interface {
		error
		Code() int
	}](err)
	return ok && (coded.Code()&0xff == notADatabase || coded.Code()&0xff == corrupt)
}

// setAside moves a file of no use, so that a new one can be made. One that was set aside before is lost.
func setAside(path string) (string, error) {
	aside := path + ".damaged"
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return aside, os.Rename(path, aside)
}
