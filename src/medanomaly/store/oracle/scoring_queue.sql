-- A queue of cases to score, for hospitals whose systems write to Oracle.
--
-- THIS FILE WAS NOT RUN ON A REAL ORACLE. It was written from the documentation of Oracle 19c, and no test runs it: no
-- free program checks PL/SQL. Let a database administrator read it, and try it in a database of tests first.
--
-- Run it once, with SQL*Plus or SQLcl, as the owner of the tables of the store. A hospital system calls
-- scoring_queue.put(...), a scoring process calls take, and afterwards done or failed. Several scoring processes may
-- take at once: each gets other cases. The queue holds raw records, which are clinical values and name patients: let
-- only the two accounts that need it execute the package, and nobody read the table.

CREATE TABLE scoring_request (
  request_id   NUMBER(19) GENERATED ALWAYS AS IDENTITY,
  modality     VARCHAR2(50 CHAR) NOT NULL,
  content      CLOB NOT NULL,
  state        VARCHAR2(10 CHAR) DEFAULT 'waiting' NOT NULL,
  n_attempts   NUMBER(5) DEFAULT 0 NOT NULL,
  reason       VARCHAR2(2000 CHAR),
  put_at       TIMESTAMP WITH TIME ZONE DEFAULT SYSTIMESTAMP NOT NULL,
  taken_at     TIMESTAMP WITH TIME ZONE,
  CONSTRAINT pk_scoring_request PRIMARY KEY (request_id),
  CONSTRAINT ck_scoring_request_state CHECK (state IN ('waiting', 'taken', 'failed')),
  CONSTRAINT ck_scoring_request_json CHECK (content IS JSON)
)
/

CREATE INDEX ix_scoring_request_state ON scoring_request (state, put_at)
/

CREATE OR REPLACE PACKAGE scoring_queue AS
  -- seconds after which a request that was taken and not finished is given out again
  c_lost_after   CONSTANT PLS_INTEGER := 600;
  -- so often a request is given out before it counts as failed
  c_max_attempts CONSTANT PLS_INTEGER := 3;

  -- Put one raw record, as JSON, into the queue. The caller commits, so that the request exists if and only if what
  -- caused it does.
  FUNCTION put(p_modality IN VARCHAR2, p_content IN CLOB) RETURN NUMBER;

  -- The next requests, the oldest first. They are committed as taken.
  PROCEDURE take(p_at_most IN PLS_INTEGER, p_requests OUT SYS_REFCURSOR);

  -- The answer is in the store, so the raw record is deleted. The caller commits.
  PROCEDURE done(p_request_id IN NUMBER);

  -- The case cannot be scored. The raw record is deleted, the reason stays. The caller commits.
  PROCEDURE failed(p_request_id IN NUMBER, p_reason IN VARCHAR2);
END scoring_queue;
/

CREATE OR REPLACE PACKAGE BODY scoring_queue AS
  FUNCTION put(p_modality IN VARCHAR2, p_content IN CLOB) RETURN NUMBER IS
    v_request_id scoring_request.request_id%TYPE;
  BEGIN
    INSERT INTO scoring_request (modality, content)
    VALUES (p_modality, p_content)
    RETURNING request_id INTO v_request_id;
    RETURN v_request_id;
  END put;

  PROCEDURE take(p_at_most IN PLS_INTEGER, p_requests OUT SYS_REFCURSOR) IS
    -- rows that another process holds are skipped, so that nobody waits and nobody takes a request twice
    CURSOR c_next IS
      SELECT request_id
      FROM scoring_request
      WHERE state = 'waiting'
         OR (state = 'taken' AND taken_at < SYSTIMESTAMP - NUMTODSINTERVAL(c_lost_after, 'SECOND'))
      ORDER BY put_at
      FOR UPDATE SKIP LOCKED;
    v_ids SYS.ODCINUMBERLIST := SYS.ODCINUMBERLIST();
    v_id  scoring_request.request_id%TYPE;
  BEGIN
    OPEN c_next;
    LOOP
      EXIT WHEN v_ids.COUNT >= p_at_most;
      FETCH c_next INTO v_id;
      EXIT WHEN c_next%NOTFOUND;
      v_ids.EXTEND;
      v_ids(v_ids.COUNT) := v_id;
    END LOOP;
    CLOSE c_next;

    -- what was given out too often kills the processes that score it
    UPDATE scoring_request
    SET state = 'failed', reason = 'given out too often', content = '{}'
    WHERE request_id IN (SELECT column_value FROM TABLE(v_ids))
      AND n_attempts >= c_max_attempts;

    UPDATE scoring_request
    SET state = 'taken', taken_at = SYSTIMESTAMP, n_attempts = n_attempts + 1
    WHERE request_id IN (SELECT column_value FROM TABLE(v_ids))
      AND state <> 'failed';
    COMMIT;

    OPEN p_requests FOR
      SELECT request_id, modality, content
      FROM scoring_request
      WHERE request_id IN (SELECT column_value FROM TABLE(v_ids))
        AND state = 'taken'
      ORDER BY put_at;
  END take;

  PROCEDURE done(p_request_id IN NUMBER) IS
  BEGIN
    DELETE FROM scoring_request WHERE request_id = p_request_id;
  END done;

  PROCEDURE failed(p_request_id IN NUMBER, p_reason IN VARCHAR2) IS
  BEGIN
    UPDATE scoring_request
    SET state = 'failed', reason = SUBSTR(p_reason, 1, 2000), content = '{}'
    WHERE request_id = p_request_id;
  END failed;
END scoring_queue;
/
