-- What calls the function of {table}; completed and run by cogento/store/change_triggers.py.
-- Called at commit, so that changes are numbered in the order of commits; whether an update counts is decided when it is made.
DROP TRIGGER IF EXISTS announce_rows ON {table};
DROP TRIGGER IF EXISTS announce_updates ON {table};

CREATE CONSTRAINT TRIGGER announce_rows AFTER INSERT OR DELETE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
EXECUTE FUNCTION announce_{table}();

CREATE CONSTRAINT TRIGGER announce_updates AFTER UPDATE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN ({differs})
EXECUTE FUNCTION announce_{table}();

COMMENT ON TRIGGER announce_rows ON {table} IS 'Announces rows that are made or deleted.';
COMMENT ON TRIGGER announce_updates ON {table} IS '{purpose}';
