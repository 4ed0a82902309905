-- Delete candidates of the staged rows that no longer have their rank.
DELETE FROM {candidates} m USING decided d
WHERE m.{owner} = d.id
  AND NOT EXISTS (SELECT FROM candidates i WHERE i.id = m.{owner} AND i.rank = m.rank)
