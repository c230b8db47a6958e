-- The platform's tables that ServiceManager works with, empty, to try it on. In the field the gateway makes them.

CREATE TABLE Facts (
  channel VARCHAR(50) NOT NULL,
  year INT NOT NULL,
  month INT NOT NULL,
  day INT NOT NULL,
  week_day INT NOT NULL,
  hour INT NOT NULL,
  minute INT NOT NULL,
  second INT NOT NULL,
  device_group VARCHAR(20) NOT NULL,
  device VARCHAR(20) NOT NULL,
  sensor INT NOT NULL,
  data INT NOT NULL,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY calendar (channel, year, month, day, hour, minute, second, device),
  KEY arrival (creationDate)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE Announcement (
  device VARCHAR(20) NOT NULL PRIMARY KEY,
  lastAnnouncementDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE Registration (
  device VARCHAR(20) NOT NULL PRIMARY KEY,
  device_group VARCHAR(20) NULL,
  registrationDate TIMESTAMP NULL,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  memo VARCHAR(1024),
  version VARCHAR(60),
  type VARCHAR(20)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE Messages (
  ID INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  device VARCHAR(20),
  sender VARCHAR(20),
  delivery_type VARCHAR(20),
  message VARCHAR(1024),
  readDate TIMESTAMP NULL,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE DeviceStatistics (
  device VARCHAR(20),
  sensor INT,
  average FLOAT,
  deviation FLOAT,
  error FLOAT,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE DeviceHistoryStatus (
  status VARCHAR(20),
  numberOfDevices INT,
  creationDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
