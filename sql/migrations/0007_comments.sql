-- migrate:up

-- What the catalog says of each column; [pii] marks personal data. Columns that carry a comment of an earlier
-- migration are described there.

COMMENT ON COLUMN contact_phones.id_contato IS 'The contact (contatos.id)';
COMMENT ON COLUMN contact_phones.field IS 'The field it was written in: celular or telefone';
COMMENT ON COLUMN contact_phones.position IS 'Place in that field, from 0';
COMMENT ON COLUMN contact_phones.key IS '[pii] What is matched: area code and last eight digits; null for numbers that never match';
COMMENT ON COLUMN contact_phones.kind IS 'mobile, fixed, service, foreign, lid or unknown_area';
COMMENT ON COLUMN contact_phones.had_ninth_digit IS 'Whether the mobile was written with its ninth digit';
COMMENT ON COLUMN contact_phones.e164 IS '[pii] For display; never without an area code';

COMMENT ON COLUMN chat_files.id IS 'The chat, for ever: kept when the file is exported again';
COMMENT ON COLUMN chat_files.size_bytes IS 'Size of the file when it was last read';
COMMENT ON COLUMN chat_files.modified_at IS 'When the file was last changed, as its file system says';
COMMENT ON COLUMN chat_files.line_count IS 'Lines of the chat, every one accounted for';
COMMENT ON COLUMN chat_files.message_count IS 'Messages and notifications of the chat';
COMMENT ON COLUMN chat_files.id_contato IS 'The customer (contatos.id), when linked';
COMMENT ON COLUMN chat_files.match_status IS 'pending, linked, proposed, ambiguous, unmatched, manual or group';
COMMENT ON COLUMN chat_files.match_method IS 'What decided: override, phone_exact, phone_normalized, phone_telefone, phone_header, order_number, name, equipment or none';
COMMENT ON COLUMN chat_files.match_confidence IS 'Posterior probability of the best candidate, 0 to 1, whatever the status';
COMMENT ON COLUMN chat_files.match_flags IS 'Evidence that disagrees, by name';
COMMENT ON COLUMN chat_files.id_ordem_servico IS 'The service order, when there is one or an explicit one';
COMMENT ON COLUMN chat_files.order_match_method IS 'What decided the order: override, reference, model, window_15d or none';
COMMENT ON COLUMN chat_files.created_at IS 'When the chat was first indexed';
COMMENT ON COLUMN chat_files.updated_at IS 'When anything in this row last changed';

COMMENT ON COLUMN chat_sessions.id IS 'The session';
COMMENT ON COLUMN chat_sessions.id_chat_file IS 'Its chat';
COMMENT ON COLUMN chat_sessions.number IS 'Place in the chat, from 1';
COMMENT ON COLUMN chat_sessions.started_at IS 'Local time of its first message';
COMMENT ON COLUMN chat_sessions.ended_at IS 'Local time of its last message';
COMMENT ON COLUMN chat_sessions.message_count IS 'Messages in it, notifications left out';
COMMENT ON COLUMN chat_sessions.order_numbers IS 'Order numbers said in it';
COMMENT ON COLUMN chat_sessions.devices IS 'Devices named in it, normalized';
COMMENT ON COLUMN chat_sessions.stages IS 'opening or closing, by the words said';
COMMENT ON COLUMN chat_sessions.id_ordem_servico IS 'Its service order, when linked';
COMMENT ON COLUMN chat_sessions.order_match_method IS 'What decided: override, reference, model, window_15d or none';
COMMENT ON COLUMN chat_sessions.order_match_status IS 'pending, linked, proposed, unmatched or manual';
COMMENT ON COLUMN chat_sessions.order_match_confidence IS 'Posterior probability of the best order, 0 to 1';
COMMENT ON COLUMN chat_sessions.order_flags IS 'Evidence that disagrees, by name';

COMMENT ON COLUMN chat_messages.id IS 'The message, for ever: kept when the chat is exported again';
COMMENT ON COLUMN chat_messages.id_chat_file IS 'Its chat';
COMMENT ON COLUMN chat_messages.is_from_customer IS 'true from the customer, false to the customer, null otherwise';
COMMENT ON COLUMN chat_messages.type IS 'text, image, audio, video, sticker, gif, document, location, contact, poll, call, deleted, edited, system …';
COMMENT ON COLUMN chat_messages.reply_timestamp IS 'Local time of the message that is quoted';
COMMENT ON COLUMN chat_messages.delivery_status IS 'As the exporter says it, normalized';
COMMENT ON COLUMN chat_messages.attachment_kind IS 'Kind of the attachment';
COMMENT ON COLUMN chat_messages.occurrence IS 'Which of several alike (time, direction, sender, body), from 1';
COMMENT ON COLUMN chat_messages.search IS '[pii] The text as the Portuguese full-text search sees it';

COMMENT ON COLUMN customer_chat_summaries.id IS 'The summary';
COMMENT ON COLUMN customer_chat_summaries.id_contato IS 'The customer (contatos.id)';
COMMENT ON COLUMN customer_chat_summaries.first_interaction_date IS 'Local time of the first message';
COMMENT ON COLUMN customer_chat_summaries.last_interaction_date IS 'Local time of the last message';
COMMENT ON COLUMN customer_chat_summaries.communication_frequency IS 'frequent, regular, occasional or rare, by recent activity';
COMMENT ON COLUMN customer_chat_summaries.common_topics IS 'Topics by share, largest first';
COMMENT ON COLUMN customer_chat_summaries.sentiment_analysis IS 'Estimated sentiment: positive, neutral or negative';
COMMENT ON COLUMN customer_chat_summaries.sentiment_score IS 'The score behind it, -1 to 1';
COMMENT ON COLUMN customer_chat_summaries.sentiment_change IS 'Against the 90 days before, -2 to 2';
COMMENT ON COLUMN customer_chat_summaries.summary IS '[pii] Three to six sentences in Portuguese, quoting nobody';
COMMENT ON COLUMN customer_chat_summaries.message_count IS 'Messages, duplicates and notifications left out';
COMMENT ON COLUMN customer_chat_summaries.customer_messages IS 'Messages from the customer';
COMMENT ON COLUMN customer_chat_summaries.staff_messages IS 'Messages to the customer';
COMMENT ON COLUMN customer_chat_summaries.other_messages IS 'Messages whose side is not known';
COMMENT ON COLUMN customer_chat_summaries.conversation_count IS 'Conversations: messages without a gap of 24 h';
COMMENT ON COLUMN customer_chat_summaries.last_speaker IS 'customer or staff';
COMMENT ON COLUMN customer_chat_summaries.first_response_median_s IS 'Seconds to the first answer of a conversation, median';
COMMENT ON COLUMN customer_chat_summaries.first_response_p90_s IS 'The same, 90th percentile';
COMMENT ON COLUMN customer_chat_summaries.first_response_median_business_s IS 'The same in business hours, median';
COMMENT ON COLUMN customer_chat_summaries.first_response_p90_business_s IS 'The same in business hours, 90th percentile';
COMMENT ON COLUMN customer_chat_summaries.reply_median_s IS 'Seconds to any answer, median';
COMMENT ON COLUMN customer_chat_summaries.reply_p90_s IS 'The same, 90th percentile';
COMMENT ON COLUMN customer_chat_summaries.reply_median_business_s IS 'The same in business hours, median';
COMMENT ON COLUMN customer_chat_summaries.reply_p90_business_s IS 'The same in business hours, 90th percentile';
COMMENT ON COLUMN customer_chat_summaries.open_since IS 'Since when something is open; null: nothing is';
COMMENT ON COLUMN customer_chat_summaries.open_reasons IS 'unanswered, order';
COMMENT ON COLUMN customer_chat_summaries.facts IS '[pii] What the sentences are made of';
COMMENT ON COLUMN customer_chat_summaries.claims IS '[pii] Each sentence with the ids of the messages and orders behind it';
COMMENT ON COLUMN customer_chat_summaries.evidence_message_ids IS 'Messages (chat_messages.id) the summary rests on';
COMMENT ON COLUMN customer_chat_summaries.evidence_webhook_ids IS 'Messages (conversation_messages.id) the summary rests on';
COMMENT ON COLUMN customer_chat_summaries.abstract IS '[pii] What a language model wrote beside it, when one is configured';
COMMENT ON COLUMN customer_chat_summaries.abstract_claims IS '[pii] Its sentences with the message ids they cite';
COMMENT ON COLUMN customer_chat_summaries.abstract_hash IS 'Of what the abstract was written from';
COMMENT ON COLUMN customer_chat_summaries.input_hash IS 'Of everything the summary was made from';
COMMENT ON COLUMN customer_chat_summaries.computed_at IS 'When it last changed';

COMMENT ON COLUMN match_candidates.id_chat_file IS 'The chat';
COMMENT ON COLUMN match_candidates.rank IS 'From 1, the likeliest first';
COMMENT ON COLUMN match_candidates.id_contato IS 'The candidate (contatos.id)';
COMMENT ON COLUMN match_candidates.confidence IS 'Posterior probability, 0 to 1';
COMMENT ON COLUMN match_candidates.method IS 'What brought it';
COMMENT ON COLUMN match_candidates.evidence IS 'Features with their additive weights (log-odds), in words';

COMMENT ON COLUMN link_overrides.id IS 'The override';
COMMENT ON COLUMN link_overrides.target_kind IS 'file, phone or title';
COMMENT ON COLUMN link_overrides.target IS '[pii] Which file, phone key or title';
COMMENT ON COLUMN link_overrides.chat_number IS 'Only this chat of the file';
COMMENT ON COLUMN link_overrides.session_number IS 'Only this session';
COMMENT ON COLUMN link_overrides.decision IS 'What was decided';
COMMENT ON COLUMN link_overrides.id_contato IS 'The contact it decides for';
COMMENT ON COLUMN link_overrides.id_ordem_servico IS 'The order it decides for';
COMMENT ON COLUMN link_overrides.reason IS 'Why';
COMMENT ON COLUMN link_overrides.made_by IS 'Who';
COMMENT ON COLUMN link_overrides.made_at IS 'When';
COMMENT ON COLUMN link_overrides.removed_at IS 'When it was taken back; null: it holds';
COMMENT ON COLUMN link_overrides.removed_by IS 'Who took it back';
COMMENT ON COLUMN link_overrides.removed_reason IS 'Why it was taken back';

COMMENT ON COLUMN exceptions.id IS 'The exception';
COMMENT ON COLUMN exceptions.stage IS 'The asset that found it';
COMMENT ON COLUMN exceptions.file_path IS '[pii] The file, or the ERP row as contatos/123';
COMMENT ON COLUMN exceptions.chat_number IS 'The chat in the file';
COMMENT ON COLUMN exceptions.month IS 'Its month, YYYY-MM';
COMMENT ON COLUMN exceptions.line IS 'Its line in the file, from 1';
COMMENT ON COLUMN exceptions.kind IS 'What it is, by name';
COMMENT ON COLUMN exceptions.severity IS 'info, warning or error';
COMMENT ON COLUMN exceptions.detail IS '[pii] What was found, in words';
COMMENT ON COLUMN exceptions.created_at IS 'When it was first found';

COMMENT ON COLUMN webhook_inbox.id IS 'The delivery; the order of arrival';
COMMENT ON COLUMN webhook_inbox.delivery_id IS 'Given by the receiver before the answer';
COMMENT ON COLUMN webhook_inbox.received_at IS 'When it was received';
COMMENT ON COLUMN webhook_inbox.stored_at IS 'When the drainer stored it';
COMMENT ON COLUMN webhook_inbox.body IS '[pii] The raw body; null once redacted';
COMMENT ON COLUMN webhook_inbox.status IS 'pending, done, parked or dead';
COMMENT ON COLUMN webhook_inbox.attempts IS 'Failures of the deliverys own making';
COMMENT ON COLUMN webhook_inbox.next_attempt_at IS 'Not before';
COMMENT ON COLUMN webhook_inbox.lease_token IS 'Of the worker that has it';
COMMENT ON COLUMN webhook_inbox.lease_until IS 'Until when that worker has it';
COMMENT ON COLUMN webhook_inbox.crashes IS 'Leases that ended without a word';
COMMENT ON COLUMN webhook_inbox.leased_under IS 'Start time of the server that gave the lease';
COMMENT ON COLUMN webhook_inbox.waiting_for IS 'Parked: the accounts that are not known yet';
COMMENT ON COLUMN webhook_inbox.error IS 'Why it failed last, without its content';
COMMENT ON COLUMN webhook_inbox.processed_at IS 'When it was done';
COMMENT ON COLUMN webhook_inbox.redacted_at IS 'When its body was emptied';

COMMENT ON COLUMN conversation_messages.id IS 'The message';
COMMENT ON COLUMN conversation_messages.conversation_id IS 'Its conversation';
COMMENT ON COLUMN conversation_messages.created_at IS 'When it was stored';
COMMENT ON COLUMN conversation_messages.search IS '[pii] The text as the Portuguese full-text search sees it';

-- migrate:down
-- Data is never thrown away by a migration: go back by restoring a backup.
