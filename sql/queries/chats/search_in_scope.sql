-- The messages of one customer or one order that hold the words. They are read first and searched after: an index over
-- everybody's words would be the longer way, and OFFSET 0 keeps the planner from it. The words are parsed once, in
-- `wanted`, and not once per message.
    SELECT m.*, {score} AS score
      FROM (SELECT {columns} FROM messages_all WHERE {conditions} OFFSET 0) m, wanted
     WHERE {matches}
