"""Steps for chat files: indexing what the archive holds, and loading every message.

What belongs here: what chat_file_index and chat_messages do with files, processes and batches. What does
not: opening archives (archive/), reading a transcript (domain/transcripts/), SQL (store/chats/), and whose
chat it is (steps/links/).

    archive ──► missing_files ──► scan_pool ──► scan ──► erased_chats ──► index_chats    chat_files, sessions
                (wrong archive?)  (cores)      (evidence)                                    │
                                                                                             ▼
    archive ──► chat_reading ──► load_reading ──► load_writers ──► load_batch            chat_messages
                                 (ahead of the     (connections)    (one transaction)
                                  database)
    load_plan chooses files, writers and batches; load_messages runs all of the second line.

Glossary:
    file        one file of the archive; a zip or a combined export holds several chats
    chat        one conversation in a file, by its number in it
    session     messages of a chat without a gap of 24 hours
    evidence    what tells whose chat it is: title, phones of headers, order numbers, devices
    chunk       bytes that are read at once; memory does not grow with the file
    batch       files that are written in one transaction; a killed run loses one batch at most
    writer      a connection that writes batches
"""
