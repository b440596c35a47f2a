//! Reads footage: in pieces, or as a stream of a whole object.

use super::PtpSession;
use crate::camera::ptp::PtpError;
use crate::camera::ptp::link::AnswerPhase;
use crate::camera::ptp::wire;

impl PtpSession {
    /// Reads a piece of a file into `out`, which is as long as the piece may be; returns its bytes once the device has
    /// confirmed them.
    pub fn read_piece(
        &mut self,
        operation: u16,
        parameters: &[u32],
        out: &mut [u8],
    ) -> Result<usize, PtpError> {
        self.repeatedly(|session| {
            session.command(operation, parameters)?;
            let expect = out.len().saturating_add(wire::HEADER);
            let mut got = 0;
            let response = match session.link.answer(session.transaction, expect)? {
                AnswerPhase::Response(response) => response,
                AnswerPhase::Data(length) => {
                    let limit = out.len() as u64;
                    if length.is_some_and(|length| length > limit) {
                        return Err(PtpError::TooLarge {
                            what: "a piece of a file",
                            limit,
                        });
                    }
                    loop {
                        match session.link.data(&mut out[got..])? {
                            0 => break,
                            count => got += count,
                        }
                    }
                    session.link.response(session.transaction)?
                }
            };
            session.accept(operation, &response)?;
            // The device says that it sent more than arrived.
            if response
                .parameters
                .first()
                .is_some_and(|&sent| sent as usize > got)
            {
                return Err(PtpError::Protocol("less data than the camera says it sent"));
            }
            Ok(got)
        })
    }

    /// Whether a read gives no data. Recovers from link errors, but does not repeat.
    pub fn sends_nothing(&mut self, operation: u16, parameters: &[u32]) -> Result<bool, PtpError> {
        let asked = self.with_retries(0, |session| {
            session.command(operation, parameters)?;
            let announced = match session.link.answer(session.transaction, 4096)? {
                AnswerPhase::Response(response) => {
                    return session.accept(operation, &response).map(|()| true);
                }
                AnswerPhase::Data(length) => length,
            };
            let mut data = [0; 64];
            let mut got = 0;
            while got < data.len() {
                match session.link.data(&mut data[got..])? {
                    0 => break,
                    count => got += count,
                }
            }
            // One byte of an unknown length is the stray byte that some send in place of an empty packet.
            let nothing = announced.map_or(got <= 1, |length| length == 0);
            if got == data.len() {
                return Err(PtpError::TooLarge {
                    what: "the end of a file",
                    limit: 0,
                });
            }
            let response = session.link.response(session.transaction)?;
            session.accept(operation, &response)?;
            Ok(nothing)
        });
        match asked {
            Err(PtpError::TooLarge { .. }) => {
                self.cancel()?;
                Ok(false)
            }
            Err(error) if error.of_the_link() => {
                self.cancel()?;
                Err(error)
            }
            asked => asked,
        }
    }

    /// Begins reading an object as a whole; returns the stream's number. Any other operation ends the stream.
    pub fn begin(
        &mut self,
        operation: u16,
        parameters: &[u32],
        size: u64,
    ) -> Result<u64, PtpError> {
        let length = self.repeatedly(|session| {
            session.command(operation, parameters)?;
            match session.link.answer(session.transaction, usize::MAX)? {
                AnswerPhase::Data(length) => Ok(length),
                AnswerPhase::Response(response) => {
                    session.accept(operation, &response)?;
                    Err(PtpError::Protocol("no data where an object should be"))
                }
            }
        })?;
        self.link.expect(size);
        self.streams += 1;
        self.stream = Some(self.streams);
        if length.is_some_and(|length| length > size) {
            self.end_stream()?;
            return Err(PtpError::TooLarge {
                what: "an object",
                limit: size,
            });
        }
        Ok(self.streams)
    }

    /// `Ok(None)`: another operation ended this stream. `Ok(Some(0))`: the data phase is over.
    pub fn next(&mut self, stream: u64, out: &mut [u8]) -> Result<Option<usize>, PtpError> {
        if self.stream != Some(stream) {
            return Ok(None);
        }
        let read = self.link.data(out);
        match self.note_gone(read) {
            Err(error) if error.of_the_link() => {
                self.stream = None;
                self.recover(error, 1)?;
                Err(error)
            }
            read => read.map(Some),
        }
    }

    /// Takes the response behind a stream whose data phase is over.
    pub fn finish(&mut self, stream: u64, operation: u16) -> Result<(), PtpError> {
        if self.stream != Some(stream) || self.link.left().is_none_or(|left| left > 0) {
            return Err(PtpError::Protocol("a stream that was cut off"));
        }
        self.stream = None;
        let response = self.link.response(self.transaction);
        match self.note_gone(response) {
            Err(error) if error.of_the_link() => {
                self.recover(error, 1)?;
                Err(error)
            }
            response => self.accept(operation, &response?),
        }
    }

    /// Ends a stream early, if this one is open.
    pub fn end(&mut self, stream: u64) -> Result<(), PtpError> {
        if self.stream == Some(stream) {
            self.end_stream()
        } else {
            Ok(())
        }
    }

    pub(super) fn end_stream(&mut self) -> Result<(), PtpError> {
        if self.stream.take().is_some() {
            self.cancel()?;
        }
        Ok(())
    }
}
