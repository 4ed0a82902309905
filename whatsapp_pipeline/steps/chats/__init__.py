"""Steps for chat files: indexing the archive's chats, and loading every message.

What belongs here: the work of chat_file_index and chat_messages with files, processes and batches. What does
not: opening archives (archive/), reading a transcript (domain/transcripts/), SQL (store/chats/), and links
(steps/links/).

    archive ──► missing_files ──► scan_pool ──► scan ──► erased_chats ──► index_chats    chat_files, sessions
                (wrong archive?)  (cores)      (evidence)                                    │
                                                                                             ▼
    archive ──► chat_reading ──► load_reading ──► load_writers ──► load_batch            chat_messages
                                 (ahead of the     (connections)    (one transaction)
                                  database)
    load_plan chooses files, writers and batches; load_messages runs all of the second line.

Glossary:
    file        one file of the archive; a zip or a combined export contains several chats
    chat        one conversation in a file, identified by its number there
    session     messages of a chat without a gap of 24 hours
    evidence    data that shows the contact of a chat: title, phones of headers, order numbers, devices
    window      what is read together: many small files, or a segment of a large file
    segment     the messages of one file in one window; so memory does not grow with the file
    chunk       files that one process scans for one request
    batch       files that are written in one transaction; a killed run loses at most one batch per writer
    writer      a connection that writes batches
"""
